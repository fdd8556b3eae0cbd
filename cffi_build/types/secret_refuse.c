/* secret_refuse.c: what cannot be done with a SecureBytes, since each would
 * copy the secret into ordinary memory.
 */
#include "types.h"

static PyObject *refuse(const char *what) {
    PyErr_Format(PyExc_TypeError,
                 "a SecureBytes cannot be %s: that would copy the secret into ordinary memory; pass the object "
                 "itself, slice it, or use reveal()",
                 what);
    return NULL;
}

PyObject *secret_refuse_pickle(PyObject *self, PyObject *ignored) {
    (void)self, (void)ignored;
    return refuse("pickled");
}

PyObject *secret_refuse_copy(PyObject *self, PyObject *ignored) {
    (void)self, (void)ignored;
    return refuse("copied by the copy module");
}

PyObject *secret_refuse_bytes(PyObject *self, PyObject *ignored) {
    (void)self, (void)ignored;
    return refuse("turned into bytes");
}

/* Without these int() and float() read the buffer as digits, and show it in the error where it has others. */
PyObject *secret_refuse_number(PyObject *self) {
    (void)self;
    return refuse("turned into a number");
}

PyObject *secret_refuse_call(PyTypeObject *type, PyObject *args, PyObject *names) {
    (void)type, (void)args, (void)names;
    PyErr_SetString(PyExc_TypeError,
                    "SecureBytes is not called: SecureBytes.take(buffer) copies a buffer and wipes it, copy_of(buffer) "
                    "leaves it as it is, random(size) and zeros(size) make new bytes");
    return NULL;
}
