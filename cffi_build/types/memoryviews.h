/* memoryviews.h: the end of a memoryview. */
#ifndef SM_MEMORYVIEWS_H
#define SM_MEMORYVIEWS_H

#include <Python.h>

#include <stdbool.h>

/* Finds the function behind memoryview.release(); -1: raised. */
int memoryviews_start(void);

/* Releases a memoryview as its release() does; false: raised, which is
 * BufferError where something holds an export of the view itself.  It needs
 * neither memory nor depth of the stack: a call by name asks for both, and a
 * window must end where Python has none left. */
bool view_release(PyObject *view);

#endif
