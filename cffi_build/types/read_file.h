/* read_file.h: a file read whole, in one call. */
#ifndef SM_READ_FILE_H
#define SM_READ_FILE_H

#include <Python.h>

/* read_file(path) */
PyObject *files_read(PyObject *module, PyObject *path);

#endif
