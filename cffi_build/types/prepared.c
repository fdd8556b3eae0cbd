/* prepared.c: what a cipher makes of a key, once for a message or for many.
 *
 * What cryptography makes of a Prepared's key lies in ordinary memory.  With the
 * crypto heap on, that lies in locked memory, and is kept with the key without being
 * asked for (kept.h).
 */
#include "ciphers.h"

#include "kept.h"
#include "memoryviews.h"
#include "os.h"
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

/* cryptography's objects refer to the key that they were given: here to a view that is
 * over, since what is kept with a key must not refer to it. */
static PyObject *make_of_view(PyObject *callable, Secret *key) {
    uint8_t *data = secret_open(key, false);
    if (data == NULL) return NULL;
    PyObject *view = PyMemoryView_FromMemory((char *)data, key->length, PyBUF_READ);
    PyObject *made = view == NULL ? NULL : PyObject_CallFunctionObjArgs(callable, view, NULL);
    PyObject *kind, *value, *traceback;
    PyErr_Fetch(&kind, &value, &traceback);
    if (view != NULL && !view_release(view)) sm_os_abort("cryptography kept the view of a key that ends now");
    Py_XDECREF(view);
    sm_secret_close(key->slot, false);
    PyErr_Restore(kind, value, traceback);
    return made;
}

/* Where the key was wiped by another thread meanwhile, cryptography says only that it cannot be converted. */
static PyObject *told_why(PyObject *made, PyObject *key) {
    if (made != NULL || !PyErr_ExceptionMatches(PyExc_TypeError)) return made;
    PyObject *kind, *value, *traceback;
    PyErr_Fetch(&kind, &value, &traceback);
    Py_buffer buffer;
    if (PyObject_GetBuffer(key, &buffer, PyBUF_SIMPLE) == 0) {
        PyBuffer_Release(&buffer);
        PyErr_Restore(kind, value, traceback);
        return NULL;
    }
    Py_XDECREF(kind);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return NULL;
}

PyObject *cipher_make(Cipher *self, PyObject *key) {
    if (Py_TYPE(key) == Prepared_Type) {
        PyObject *made = ((Prepared *)key)->made;
        return made != NULL ? Py_NewRef(made) : raise_named("WipedError", "this cipher was closed, and its key forgotten");
    }
    PyObject *callable = self->blocks != NULL ? self->blocks : self->aead;
    if (!kept_is_on()) return told_why(PyObject_CallFunctionObjArgs(callable, key, NULL), key);
    PyObject *made = kept_find((Secret *)key, (PyObject *)self);
    if (made != NULL) return made;
    uint64_t begun = kept_begin((Secret *)key);
    made = make_of_view(callable, (Secret *)key);
    if (made != NULL) kept_add((Secret *)key, (PyObject *)self, made, begun);
    return made;
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
