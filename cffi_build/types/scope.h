/* scope.h: operations that Python code does and C ends. */
#ifndef SM_SCOPE_H
#define SM_SCOPE_H

#include <Python.h>

extern PyTypeObject *Scope_Type;

/* operate(depth, work, *arguments): work(scope, *arguments), and its end. */
PyObject *scope_operate(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyTypeObject *scope_type_make(void);

#endif
