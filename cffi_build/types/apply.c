/* apply.c: a change of several objects as one step.
 *
 * Signal handlers and other threads run between bytecodes: between two
 * assignments of Python, but not between those made here.
 */
#include "gate.h"
#include "wipe.h"

static bool is_ended(PyObject *target) {
    return PyObject_TypeCheck(target, Cell_Type) || PyObject_CheckBuffer(target);
}

static int end(PyObject *target) {
    Py_buffer buffer;
    if (PyObject_TypeCheck(target, Cell_Type)) {
        cell_end((Cell *)target);
    } else if (Py_TYPE(target) == Secret_Type) {
        secret_wipe_later((Secret *)target);
    } else {
        if (PyObject_GetBuffer(target, &buffer, PyBUF_WRITABLE) != 0) return -1;
        sm_wipe(buffer.buf, (size_t)buffer.len);
        PyBuffer_Release(&buffer);
    }
    return 0;
}

/* Whether each step is one of the shapes that apply() knows; else raised. */
static bool are_known(PyObject *const *steps, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_ssize_t size = PyTuple_Check(steps[i]) ? PyTuple_Size(steps[i]) : 0;
        bool known = size == 3 || (size == 2 && PyDict_Check(PyTuple_GetItem(steps[i], 0))) ||
                     (size == 1 && is_ended(PyTuple_GetItem(steps[i], 0)));
        if (!known) {
            PyErr_SetString(PyExc_TypeError,
                            "a step is (object, name, value), (dict, key, value), (dict, key), (cell,) or (buffer,)");
            return false;
        }
    }
    return true;
}

static int apply_one(PyObject *step) {
    PyObject *target = PyTuple_GetItem(step, 0);
    Py_ssize_t size = PyTuple_Size(step);
    if (size == 1) return end(target);
    PyObject *key = PyTuple_GetItem(step, 1);
    if (size == 2) {
        int here = PyDict_Contains(target, key);
        return here == 1 ? PyDict_DelItem(target, key) : here;
    }
    PyObject *value = PyTuple_GetItem(step, 2);
    if (PyObject_TypeCheck(target, Cell_Type)) cell_forget((Cell *)target); /* a rotated key's ciphers end */
    return PyDict_Check(target) ? PyDict_SetItem(target, key, value) : PyObject_SetAttr(target, key, value);
}

/* Dictionaries first, as their growing may fail: nothing that was there is changed then. */
PyObject *apply_changes(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    if (!are_known(args, count)) return NULL;
    for (int turn = 0; turn < 2; turn++) {
        for (Py_ssize_t i = 0; i < count; i++) {
            bool grows = PyTuple_Size(args[i]) == 3 && PyDict_Check(PyTuple_GetItem(args[i], 0));
            if (grows == (turn == 0) && apply_one(args[i]) != 0) return NULL;
        }
    }
    Py_RETURN_NONE;
}
