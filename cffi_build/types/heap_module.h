/* heap_module.h: the crypto heap's part of the module securemem._types. */
#ifndef SM_HEAP_MODULE_H
#define SM_HEAP_MODULE_H

#include <Python.h>

extern PyTypeObject *Section_Type;

PyTypeObject *section_type_make(void);
PyObject *heap_section(PyObject *module, PyObject *ignored);
PyObject *heap_start_python(PyObject *module, PyObject *ignored);
PyObject *heap_write_slots(PyObject *module, PyObject *ignored);
PyObject *heap_verify_slots(PyObject *module, PyObject *ignored);
PyObject *heap_keep(PyObject *module, PyObject *args);
PyObject *heap_kept(PyObject *module, PyObject *ignored);
PyObject *heap_operate(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *heap_forget(PyObject *module, PyObject *secret);
PyObject *heap_forget_all(PyObject *module, PyObject *ignored);

#endif
