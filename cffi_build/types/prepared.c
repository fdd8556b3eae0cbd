/* prepared.c: what a cipher makes of a key, once for a message or for many.
 *
 * What cryptography makes of a Prepared's key lies in ordinary memory.
 */
#include "ciphers.h"

#include "sources.h"
#include "wipe.h"

PyTypeObject *Prepared_Type;

bool cipher_arguments(Py_ssize_t count, Py_ssize_t wanted) {
    if (count != wanted) PyErr_Format(PyExc_TypeError, "%zd arguments are taken, not %zd", wanted, count);
    return count == wanted;
}

bool cipher_takes(Cipher *self, PyObject *key) {
    if (Py_TYPE(key) == Prepared_Type) return true;
    if (Py_TYPE(key) != Secret_Type) {
        PyObject *what = PyUnicode_FromFormat("a key for %U", self->name);
        const char *text = what == NULL ? NULL : PyUnicode_AsUTF8AndSize(what, NULL);
        if (text != NULL) (void)secret_argument(key, text);
        Py_XDECREF(what);
        return false;
    }
    sm_slot *slot = ((Secret *)key)->slot;
    enum sm_status status = slot == NULL ? SM_WIPED : sm_secret_state(slot);
    if (status != SM_OK) return raise_status(status) != NULL;
    if (((Secret *)key)->length == self->key_size) return true;
    raise_named("SizeError", "a key for %U has %zd bytes: it must have %zd", self->name, ((Secret *)key)->length,
                self->key_size);
    return false;
}

PyObject *cipher_make(Cipher *self, PyObject *key) {
    if (Py_TYPE(key) == Prepared_Type) {
        PyObject *made = ((Prepared *)key)->made;
        return made != NULL ? Py_NewRef(made) : raise_named("WipedError", "this cipher was closed, and its key forgotten");
    }
    return PyObject_CallFunctionObjArgs(self->blocks != NULL ? self->blocks : self->aead, key, NULL);
}

static PyObject *close_prepared(Prepared *self, PyObject *ignored) {
    (void)ignored;
    Py_CLEAR(self->made);
    sm_scrub(CIPHER_DEPTH);
    Py_RETURN_NONE;
}

static PyObject *get_closed(Prepared *self, void *closure) {
    (void)closure;
    return PyBool_FromLong(self->made == NULL);
}

static void dealloc_prepared(Prepared *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_CLEAR(self->made);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef prepared_methods[] = {
    {"close", (PyCFunction)close_prepared, METH_NOARGS,
     "close($self, /)\n--\n\nDrops what cryptography holds of the key, once no other thread is at work with it."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef prepared_properties[] = {
    {"closed", (getter)get_closed, NULL, "Whether close() was called.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot prepared_slots[] = {
    {Py_tp_doc, "A key made ready for many messages: cryptography holds it, expanded, in ordinary memory."},
    {Py_tp_dealloc, dealloc_prepared},
    {Py_tp_methods, prepared_methods},
    {Py_tp_getset, prepared_properties},
    {0, NULL},
};

PyTypeObject *prepared_type_make(void) {
    PyType_Spec specification = {.name = "securemem._types.Prepared",
                                 .basicsize = sizeof(Prepared),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .slots = prepared_slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
