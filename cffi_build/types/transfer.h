/* transfer.h: a file that is written beside its place and appears there when it is whole. */
#ifndef SM_TRANSFER_H
#define SM_TRANSFER_H

#include "types.h"

/* transfer(source, target, work, *arguments) */
PyObject *files_transfer(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
