/* secret_type.c: SecureBytes, a buffer of locked memory.
 *
 * Each export of the buffer opens a window on the pages and its release closes
 * it.  No method gives the bytes away: repr is redacted, and hash, pickle, copy
 * and bytes() are refused.
 */
#include "types.h"

static const char doc[] =
    "A secret of fixed length in locked, undumpable, wiped-on-release memory.\n\n"
    "Made by zeros(), random(), take(), copy_of(), or by slicing. It gives its buffer, in place, to\n"
    "whatever takes bytes-like objects; for as long as a view is open its page is accessible.\n"
    "Every use raises WipedError once it was wiped, and ForkedError in a forked child.";

static void dealloc(Secret *self) {
    if (self->weak_references != NULL) PyObject_ClearWeakRefs((PyObject *)self);
    if (self->slot != NULL) sm_secret_return(self->slot);
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
    view->internal = writable ? self : NULL; /* not view->readonly, which a consumer may change */
    return 0;
}

static void release_buffer(Secret *self, Py_buffer *view) {
    sm_secret_close(self->slot, view->internal != NULL);
}

/* -- comparison -- */

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

static PyObject *compare(Secret *self, PyObject *other, int operation) {
    if ((operation != Py_EQ && operation != Py_NE) || !PyObject_CheckBuffer(other)) Py_RETURN_NOTIMPLEMENTED;
    int equal = equal_objects(self, other);
    if (equal < 0) return NULL;
    return PyBool_FromLong(equal == (operation == Py_EQ));
}

/* -- what it tells of itself -- */

static enum sm_status state(Secret *self) {
    return self->slot == NULL ? SM_WIPED : sm_secret_state(self->slot);
}

static PyObject *represent(Secret *self) {
    switch (state(self)) {
        case SM_OK: return PyUnicode_FromFormat("<SecureBytes: %zd bytes>", self->length);
        case SM_FORKED: return PyUnicode_FromString("<SecureBytes: left in the parent process>");
        default: return PyUnicode_FromString("<SecureBytes: wiped>");
    }
}

static PyObject *format(Secret *self, PyObject *specification) {
    if (!PyUnicode_Check(specification)) {
        PyErr_SetString(PyExc_TypeError, "a format specification is a str");
        return NULL;
    }
    PyObject *text = represent(self);
    if (text == NULL) return NULL;
    PyObject *result = PyObject_Format(text, specification);
    Py_DECREF(text);
    return result;
}

static Py_ssize_t length(Secret *self) {
    enum sm_status status = state(self);
    if (status == SM_OK) return self->length;
    raise_status(status);
    return -1;
}

static PyObject *get_wiped(Secret *self, void *closure) {
    (void)closure;
    enum sm_status status = state(self);
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

static PyObject *wipe(Secret *self, PyObject *ignored) {
    (void)ignored;
    if (self->slot != NULL) {
        enum sm_status status = sm_secret_wipe(self->slot);
        if (status != SM_OK) return raise_status(status);
        sm_secret_return(self->slot);
        self->slot = NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *freeze(Secret *self, PyObject *ignored) {
    (void)ignored;
    enum sm_status status = self->slot == NULL ? SM_WIPED : sm_secret_freeze(self->slot);
    if (status != SM_OK) return raise_status(status);
    Py_RETURN_NONE;
}

static PyObject *enter(Secret *self, PyObject *ignored) {
    (void)ignored;
    enum sm_status status = state(self);
    if (status != SM_OK) return raise_status(status);
    return Py_NewRef((PyObject *)self);
}

static PyObject *leave(Secret *self, PyObject *exception) {
    (void)exception;
    return wipe(self, NULL);
}

static PyObject *reveal(Secret *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    int writable = 0;
    Py_ssize_t named = names == NULL ? 0 : PyTuple_Size(names);
    if (count + named > 1 || (named == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "writable") != 0)) {
        PyErr_SetString(PyExc_TypeError, "reveal() takes one argument, writable=False");
        return NULL;
    }
    if (count + named == 1) writable = PyObject_IsTrue(args[0]);
    if (writable < 0) return NULL;
    return reveal_new(self, writable != 0);
}

/* -- refused -- */

static PyObject *refuse(const char *what) {
    PyErr_Format(PyExc_TypeError,
                 "a SecureBytes cannot be %s: that would copy the secret into ordinary memory; pass the object "
                 "itself, slice it, or use reveal()",
                 what);
    return NULL;
}

static PyObject *refuse_pickle(PyObject *self, PyObject *ignored) {
    (void)self, (void)ignored;
    return refuse("pickled");
}

static PyObject *refuse_copy(PyObject *self, PyObject *ignored) {
    (void)self, (void)ignored;
    return refuse("copied by the copy module");
}

static PyObject *refuse_bytes(PyObject *self, PyObject *ignored) {
    (void)self, (void)ignored;
    return refuse("turned into bytes");
}

/* Without these int() and float() read the buffer as digits, and show it in the error where it has others. */
static PyObject *refuse_number(PyObject *self) {
    (void)self;
    return refuse("turned into a number");
}

static PyMethodDef methods[] = {
    {"zeros", (PyCFunction)(void (*)(void))secret_zeros, METH_CLASS | METH_FASTCALL | METH_KEYWORDS,
     "zeros($type, size, *, arena=None)\n--\n\nsize zero bytes, to be written through reveal(writable=True) or as a buffer."},
    {"random", (PyCFunction)(void (*)(void))secret_random, METH_CLASS | METH_FASTCALL | METH_KEYWORDS,
     "random($type, size, *, arena=None)\n--\n\nsize bytes that getrandom(2) writes straight into the locked memory."},
    {"take", (PyCFunction)(void (*)(void))secret_take, METH_CLASS | METH_FASTCALL | METH_KEYWORDS,
     "take($type, source, *, arena=None)\n--\n\nThe bytes of a writable, contiguous buffer, which is wiped.\n\n"
     "A SecureBytes as the source raises WipedError from then on."},
    {"copy_of", (PyCFunction)(void (*)(void))secret_copy_of, METH_CLASS | METH_FASTCALL | METH_KEYWORDS,
     "copy_of($type, source, *, arena=None)\n--\n\nThe bytes of a contiguous buffer, which is left as it is."},
    {"reveal", (PyCFunction)(void (*)(void))reveal, METH_FASTCALL | METH_KEYWORDS,
     "reveal($self, writable=False)\n--\n\nA context manager whose value is a memoryview of the secret, in place.\n\n"
     "At the end the view is released; ExportedError is raised if slices of it live on."},
    {"freeze", (PyCFunction)freeze, METH_NOARGS,
     "freeze($self)\n--\n\nMakes it read-only for good: writable views raise FrozenError. ExportedError while one is open."},
    {"wipe", (PyCFunction)wipe, METH_NOARGS,
     "wipe($self)\n--\n\nZeroes the memory and gives it back. While a view is open it raises ExportedError, no new view\n"
     "can be opened, and the memory is zeroed when the last one is released."},
    {"__enter__", (PyCFunction)enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)leave, METH_VARARGS, "Wipes the secret."},
    {"__format__", (PyCFunction)format, METH_O, NULL},
    {"__bytes__", refuse_bytes, METH_NOARGS, NULL},
    {"__copy__", refuse_copy, METH_NOARGS, NULL},
    {"__deepcopy__", refuse_copy, METH_O, NULL},
    {"__reduce__", refuse_pickle, METH_NOARGS, NULL},
    {"__reduce_ex__", refuse_pickle, METH_O, NULL},
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
    {Py_tp_dealloc, dealloc},
    {Py_bf_getbuffer, get_buffer},
    {Py_bf_releasebuffer, release_buffer},
    {Py_tp_richcompare, compare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_repr, represent},
    {Py_nb_int, refuse_number},
    {Py_nb_float, refuse_number},
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
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
