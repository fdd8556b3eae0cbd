/* file_type.h: a descriptor as a reader or writer, for the time of one call. */
#ifndef SM_FILE_TYPE_H
#define SM_FILE_TYPE_H

#include "types.h"

extern PyTypeObject *File_Type;
PyTypeObject *file_type_make(void);

/* A reader or writer of a descriptor, which it does not own. */
PyObject *file_new(int descriptor);
/* From now on it is closed to Python. */
void file_end(PyObject *file);
/* Raises the OSError of an errno value, with the path; always NULL. */
PyObject *raise_os_error(int error, PyObject *path);

#endif
