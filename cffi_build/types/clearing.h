/* clearing.h: the wiping and clearing that Python code asks for, and the steps of
 * key wrap and unwrap, which are as short: functions that keep the GIL while they take no
 * longer than giving it up would. */
#ifndef SM_CLEARING_H
#define SM_CLEARING_H

#include <Python.h>

PyObject *clearing_scrub(PyObject *module, PyObject *depth);
PyObject *clearing_wipe(PyObject *module, PyObject *buffer);
/* wrap_steps(encryptor, work), unwrap_steps(decryptor, work): RFC 3394, 2.2.1 and 2.2.2, on scratch as blocks.h has it. */
PyObject *clearing_wrap_steps(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *clearing_unwrap_steps(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
