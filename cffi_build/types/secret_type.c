/* secret_type.c: SecureBytes, a buffer of locked memory.
 *
 * Each export of the buffer opens a window on the pages and its release closes
 * it.  No method gives the bytes away: repr is redacted, and hash, pickle, copy
 * and bytes() are refused.
 */
#include "kept.h"
#include "types.h"

static const char doc[] =
    "A secret of fixed length in locked, undumpable, wiped-on-release memory.\n\n"
    "Make one with SecureBytes.take(), copy_of(), random() or zeros(), or with a slice of another one.\n"
    "It gives its buffer, in place, to whatever takes bytes-like objects: cryptography's ciphers, hashlib,\n"
    "hmac.digest, os.write, sockets. Its page is accessible for as long as a view is open. It cannot be\n"
    "indexed, iterated, hashed, pickled, copied by the copy module, or turned into bytes or a number:\n"
    "each would copy it into ordinary memory. str() and format() give a description of it with a\n"
    "SecretTextWarning, repr() gives it silently.\n\n"
    "Every use raises WipedError once it was wiped, and ForkedError in a forked child. Making one raises\n"
    "LockLimitError where RLIMIT_MEMLOCK is reached. The exceptions are in securemem.exceptions.";

/* A long one without the GIL; nobody else may know the slot. */
static void give_back(sm_slot *slot, Py_ssize_t length) {
    PyThreadState *thread = (size_t)length >= SM_LONG_SECRET ? PyEval_SaveThread() : NULL;
    sm_secret_return(slot);
    if (thread != NULL) PyEval_RestoreThread(thread);
}

static void dealloc(Secret *self) {
    kept_forget(self);
    if (self->weak_references != NULL) PyObject_ClearWeakRefs((PyObject *)self);
    if (self->slot != NULL) give_back(self->slot, self->length);
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* -- buffer protocol -- */

static int get_buffer(Secret *self, Py_buffer *view, int flags) {
    bool writable = (flags & PyBUF_WRITABLE) != 0;
    view->obj = NULL;
    uint8_t *data = secret_open(self, writable);
    if (data == NULL) return -1;
    if (PyBuffer_FillInfo(view, (PyObject *)self, data, self->length, !writable, flags) != 0) {
        sm_secret_close(self->slot, writable);
        return -1;
    }
    view->internal = view_note(writable); /* not view->readonly, which a consumer may change */
    return 0;
}

static void release_buffer(Secret *self, Py_buffer *view) {
    view_end(self->slot, view->internal);
}

/* -- what it tells of itself -- */

static Py_ssize_t length(Secret *self) {
    enum sm_status status = secret_state(self);
    if (status == SM_OK) return self->length;
    raise_status(status);
    return -1;
}

static PyObject *get_wiped(Secret *self, void *closure) {
    (void)closure;
    enum sm_status status = secret_state(self);
    if (status == SM_FORKED) return raise_status(status);
    return PyBool_FromLong(status != SM_OK);
}

static PyObject *get_protection(Secret *self, void *closure) {
    (void)closure;
    struct sm_location location;
    enum sm_status status = self->slot == NULL ? SM_WIPED : sm_secret_locate(self->slot, &location);
    return status == SM_OK ? read_protection(&location) : raise_status(status);
}

/* -- wiping and freezing -- */

/* While the GIL is gone, the slot is nobody's but this call's: to others the secret is wiped already. */
static PyObject *wipe_long(Secret *self) {
    sm_slot *slot = self->slot;
    self->slot = NULL;
    PyThreadState *thread = PyEval_SaveThread();
    enum sm_status status = sm_secret_wipe(slot);
    if (status == SM_OK) sm_secret_return(slot);
    PyEval_RestoreThread(thread);
    if (status == SM_OK) Py_RETURN_NONE;
    self->slot = slot;
    return raise_status(status);
}

static PyObject *wipe(Secret *self, PyObject *ignored) {
    (void)ignored;
    kept_forget(self);
    if (self->slot != NULL && (size_t)self->length >= SM_LONG_SECRET && !sm_secret_is_viewed(self->slot, false)) return wipe_long(self);
    if (self->slot != NULL) {
        enum sm_status status = sm_secret_wipe(self->slot);
        if (status != SM_OK) return raise_status(status);
        sm_secret_return(self->slot);
        self->slot = NULL;
    }
    Py_RETURN_NONE;
}

void secret_wipe_later(Secret *self) {
    kept_forget(self);
    if (self->slot == NULL || sm_secret_wipe(self->slot) != SM_OK) return;
    sm_secret_return(self->slot);
    self->slot = NULL;
}

bool secret_is_wiped(PyObject *self) {
    return Py_TYPE(self) == Secret_Type && secret_state((Secret *)self) != SM_OK;
}

static PyObject *freeze(Secret *self, PyObject *ignored) {
    (void)ignored;
    enum sm_status status = self->slot == NULL ? SM_WIPED : sm_secret_freeze(self->slot);
    if (status != SM_OK) return raise_status(status);
    Py_RETURN_NONE;
}

static PyObject *enter(Secret *self, PyObject *ignored) {
    (void)ignored;
    enum sm_status status = secret_state(self);
    if (status != SM_OK) return raise_status(status);
    return Py_NewRef((PyObject *)self);
}

static PyObject *leave(Secret *self, PyObject *exception) {
    (void)exception;
    return wipe(self, NULL);
}

static PyObject *reveal(Secret *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Py_ssize_t named = names == NULL ? 0 : PyTuple_Size(names);
    if (count + named > 1 || (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "writable") != 0)) {
        PyErr_SetString(PyExc_TypeError, "reveal() takes one argument, writable=False");
        return NULL;
    }
    if (count + named == 1 && !PyBool_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "writable must be True or False");
        return NULL;
    }
    return reveal_new(self, count + named == 1 && args[0] == Py_True);
}

static const char REFUSES[] = "Raise TypeError: it would copy the secret into ordinary memory.";

static PyMethodDef methods[] = {
    {"zeros", (PyCFunction)(void (*)(void))secret_zeros, METH_CLASS | METH_FASTCALL | METH_KEYWORDS,
     "zeros($type, size, *, arena=None)\n"
     "--\n"
     "\n"
     "Make a secret of size zero bytes, to be written as a buffer or through reveal(writable=True).\n"
     "\n"
     "Raises SizeError for a size below 1, LockLimitError or another CapacityError where there is no room."},
    {"random", (PyCFunction)(void (*)(void))secret_random, METH_CLASS | METH_FASTCALL | METH_KEYWORDS,
     "random($type, size, *, arena=None)\n"
     "--\n"
     "\n"
     "Make a secret of size random bytes, which getrandom(2) writes straight into the locked memory.\n"
     "\n"
     "Raises SizeError for a size below 1, RandomError, LockLimitError or another CapacityError."},
    {"take", (PyCFunction)(void (*)(void))secret_take, METH_CLASS | METH_FASTCALL | METH_KEYWORDS,
     "take($type, source, *, arena=None)\n"
     "--\n"
     "\n"
     "Make a secret of the bytes of a writable, contiguous buffer, and wipe that buffer.\n"
     "\n"
     "A SecureBytes as the source is wiped as by wipe(). Copies that were made of the source before are not\n"
     "found. Raises SourceError for a read-only or scattered buffer, SizeError for an empty one, LockLimitError\n"
     "or another CapacityError where there is no room; the source is then left as it is."},
    {"copy_of", (PyCFunction)(void (*)(void))secret_copy_of, METH_CLASS | METH_FASTCALL | METH_KEYWORDS,
     "copy_of($type, source, *, arena=None)\n"
     "--\n"
     "\n"
     "Make a secret of the bytes of a contiguous buffer, which is left as it is.\n"
     "\n"
     "Raises SourceError for a scattered buffer, SizeError for an empty one, LockLimitError or another\n"
     "CapacityError where there is no room."},
    {"reveal", (PyCFunction)(void (*)(void))reveal, METH_FASTCALL | METH_KEYWORDS,
     "reveal($self, writable=False)\n"
     "--\n"
     "\n"
     "Return a context manager whose value is a memoryview of the secret, in place.\n"
     "\n"
     "The view is released at the end; ExportedError is raised there if a slice of it is still open. Some\n"
     "consumers write to a buffer without requesting write access, for example cryptography's *_into\n"
     "functions: give them the view of reveal(writable=True). FrozenError: the secret is frozen."},
    {"freeze", (PyCFunction)freeze, METH_NOARGS,
     "freeze($self)\n"
     "--\n"
     "\n"
     "Make the secret read-only for good: writable views of it raise FrozenError.\n"
     "\n"
     "Raises ExportedError while a writable view is open."},
    {"wipe", (PyCFunction)wipe, METH_NOARGS,
     "wipe($self)\n"
     "--\n"
     "\n"
     "Zero the memory and give it back; it may be called again.\n"
     "\n"
     "Raises ExportedError while a view is open: no new view can be opened then, and the memory is zeroed when\n"
     "the last one is released."},
    {"__enter__", (PyCFunction)enter, METH_NOARGS,
     "Return the secret itself; the with statement wipes it at its end."},
    {"__exit__", (PyCFunction)leave, METH_VARARGS,
     "Wipe the secret, as wipe() does."},
    {"__eq__", (PyCFunction)secret_equals, METH_O | METH_COEXIST,
     "__eq__($self, other, /)\n"
     "--\n"
     "\n"
     "Compare with another SecureBytes or any contiguous buffer, in a time that depends on the length only.\n"
     "\n"
     "With anything else the answer is False; with a str it comes with a SecretTextWarning."},
    {"__ne__", (PyCFunction)secret_differs, METH_O | METH_COEXIST,
     "__ne__($self, other, /)\n"
     "--\n"
     "\n"
     "Compare with another SecureBytes or any contiguous buffer, in a time that depends on the length only.\n"
     "\n"
     "With anything else the answer is True; with a str it comes with a SecretTextWarning."},
    {"__getitem__", (PyCFunction)(void (*)(void))secret_subscript, METH_O | METH_COEXIST,
     "__getitem__($self, key, /)\n"
     "--\n"
     "\n"
     "Copy a slice into a new SecureBytes of the same arena.\n"
     "\n"
     "Raises TypeError for an index, which would make an int in ordinary memory, and SizeError for a slice of\n"
     "no bytes."},
    {"__format__", (PyCFunction)secret_format, METH_O,
     "__format__($self, specification, /)\n"
     "--\n"
     "\n"
     "Return the text of repr(), padded as specified, with a SecretTextWarning; never the bytes."},
    {"__bytes__", secret_refuse_bytes, METH_NOARGS, REFUSES},
    {"__copy__", secret_refuse_copy, METH_NOARGS, REFUSES},
    {"__deepcopy__", secret_refuse_copy, METH_O, REFUSES},
    {"__reduce__", secret_refuse_pickle, METH_NOARGS, REFUSES},
    {"__reduce_ex__", secret_refuse_pickle, METH_O, REFUSES},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"wiped", (getter)get_wiped, NULL, "Whether it was wiped, or will be when the last view is released.", NULL},
    {"protection", (getter)get_protection, NULL, "How the kernel protects its memory now: a Protection.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Secret, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)doc},
    {Py_tp_new, secret_refuse_call},
    {Py_tp_dealloc, dealloc},
    {Py_bf_getbuffer, get_buffer},
    {Py_bf_releasebuffer, release_buffer},
    {Py_tp_richcompare, secret_compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_repr, secret_represent},
    {Py_tp_str, secret_as_text},
    {Py_nb_int, secret_refuse_number},
    {Py_nb_float, secret_refuse_number},
    {Py_mp_length, length},
    {Py_mp_subscript, secret_subscript},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {0, NULL},
};

PyTypeObject *secret_type_make(void) {
    PyType_Spec specification = {.name = "securemem.SecureBytes",
                                 .basicsize = sizeof(Secret),
                                 .flags = Py_TPFLAGS_DEFAULT,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
