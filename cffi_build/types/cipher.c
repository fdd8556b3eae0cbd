/* cipher.c: authenticated ciphers.
 *
 * A Cipher tells how cryptography makes its object of a key.  Its messages are in
 * message.c, its keys in prepared.c.  Which ciphers there are is Python's business (crypto/_ciphers.py).
 */
#include "ciphers.h"

#include "ending.h"
#include "sources.h"
#include "wipe.h"

PyTypeObject *Cipher_Type;

static PyObject *prepare(Cipher *self, PyObject *key) {
    if (!cipher_takes(self, key)) return NULL;
    Prepared *prepared = PyObject_New(Prepared, Prepared_Type);
    if (prepared == NULL) return NULL;
    prepared->made = cipher_make(self, key);
    bool done = prepared->made != NULL;
    if (!done) {
        ending_let_go();
        PyObject *kind, *value, *traceback;
        PyErr_Fetch(&kind, &value, &traceback);
        Py_CLEAR(prepared);
        PyErr_Restore(kind, value, traceback);
    }
    sm_scrub(CIPHER_DEPTH);
    return (PyObject *)prepared;
}

static PyObject *make(PyTypeObject *type, PyObject *args, PyObject *names) {
    static char *keywords[] = {"name", "aead", "blocks", "refusal", "key_size", "nonce_size", "tag", "commitment", NULL};
    PyObject *name, *aead, *blocks, *refusal;
    Py_ssize_t key_size, nonce_size, tag, commitment;
    if (!PyArg_ParseTupleAndKeywords(args, names, "UOOOnnnn", keywords, &name, &aead, &blocks, &refusal, &key_size,
                                     &nonce_size, &tag, &commitment)) {
        return NULL;
    }
    if (nonce_size < 2 || nonce_size > CIPHER_MOST_NONCE || (blocks != Py_None && nonce_size != CIPHER_MOST_NONCE)) {
        return raise_named("InvalidArgumentError", "nonce_size=%zd is not supported", nonce_size);
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Cipher *self = (Cipher *)allocate(type, 0);
    if (self == NULL) return NULL;
    self->name = Py_NewRef(name);
    self->aead = Py_NewRef(aead);
    self->blocks = blocks == Py_None ? NULL : Py_NewRef(blocks);
    self->refusal = Py_NewRef(refusal);
    self->key_size = key_size;
    self->nonce_size = nonce_size;
    self->tag = tag;
    self->commitment = commitment;
    return (PyObject *)self;
}

static void dealloc(Cipher *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_XDECREF(self->name);
    Py_XDECREF(self->aead);
    Py_XDECREF(self->blocks);
    Py_XDECREF(self->refusal);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

#define METHOD(name) (PyCFunction)(void (*)(void))name, METH_FASTCALL

static PyMethodDef methods[] = {
    {"prepare", (PyCFunction)prepare, METH_O,
     "prepare($self, key, /)\n--\n\nA Prepared, which every method here takes in the place of the key."},
    {"seal", METHOD(message_seal),
     "seal($self, key, head, nonce, data, aad, /)\n--\n\nhead, nonce and ciphertext as bytes. nonce: None for a random "
     "one,\nor an iterator with an item for each message left; one that is given, as bytes, is not in the result."},
    {"seal_into", METHOD(message_seal_into),
     "seal_into($self, key, head, nonce, data, aad, out, /)\n--\n\nThe same into a buffer of exactly that size, which is "
     "wiped on failure."},
    {"open", METHOD(message_open),
     "open($self, key, skip, nonce, data, aad, arena, /)\n--\n\nThe plaintext as a SecureBytes. skip: the length of what "
     "stands before the nonce, or, where\nthat is given, before the ciphertext."},
    {"open_into", METHOD(message_open_into),
     "open_into($self, key, skip, nonce, data, aad, out, /)\n--\n\nThe same into a buffer of exactly that size, which is "
     "wiped on failure."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "An authenticated cipher over cryptography's, one C call a message."},
    {Py_tp_new, make},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyTypeObject *cipher_type_make(void) {
    PyType_Spec specification = {
        .name = "securemem._types.Cipher", .basicsize = sizeof(Cipher), .flags = Py_TPFLAGS_DEFAULT, .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
