/* page_lock_type.h: locks on others' memory, as Python has them. */
#ifndef SM_PAGE_LOCK_TYPE_H
#define SM_PAGE_LOCK_TYPE_H

#include <Python.h>

extern PyTypeObject *PageLock_Type;
PyTypeObject *page_lock_type_make(void);

/* page_lock(buffer, on_fault) */
PyObject *page_lock(PyObject *module, PyObject *args);

#endif
