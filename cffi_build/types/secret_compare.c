/* secret_compare.c: == and !=, in a time that depends on the lengths only.
 *
 * Both operators are methods too, so that help() can tell of them.
 */
#include "types.h"

/* Of secret and secret, or of secret and any other buffer; -1: raised. */
static int equal_objects(Secret *self, PyObject *other) {
    bool equal = false;
    enum sm_status status = SM_WIPED;
    if (Py_TYPE(other) == Secret_Type) {
        sm_slot *slot = ((Secret *)other)->slot;
        if (self->slot != NULL && slot != NULL) status = sm_secret_equal_secret(self->slot, &equal, slot);
    } else {
        Py_buffer view;
        if (!secret_get_source(other, &view, false)) return -1;
        if (self->slot != NULL) status = sm_secret_equal(self->slot, &equal, view.buf, (size_t)view.len);
        PyBuffer_Release(&view);
    }
    if (status == SM_OK) return equal;
    raise_status(status);
    return -1;
}

PyObject *secret_compare(Secret *self, PyObject *other, int operation) {
    if (operation != Py_EQ && operation != Py_NE) Py_RETURN_NOTIMPLEMENTED;
    if (PyUnicode_Check(other) && secret_warn_comparison() != 0) return NULL;
    if (!PyObject_CheckBuffer(other)) Py_RETURN_NOTIMPLEMENTED;
    int equal = equal_objects(self, other);
    if (equal < 0) return NULL;
    return PyBool_FromLong(equal == (operation == Py_EQ));
}

PyObject *secret_equals(Secret *self, PyObject *other) {
    return secret_compare(self, other, Py_EQ);
}

PyObject *secret_differs(Secret *self, PyObject *other) {
    return secret_compare(self, other, Py_NE);
}
