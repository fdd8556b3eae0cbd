/* reveal_type.c: the explicit window, `with secret.reveal() as view`.
 *
 * The memoryview is made over the Reveal object, not over the secret, so that
 * its own count of exports tells at the end whether slices of the view live
 * on.  The collector tracks it, since it and its view refer to each other.
 */
#include "types.h"

typedef struct {
    PyObject_HEAD
    Secret *secret;
    PyObject *view; /* NULL outside the with statement */
    Py_ssize_t exports;
    bool writable;
} Reveal;

static PyObject *release_name;

PyObject *reveal_new(Secret *secret, bool writable) {
    Reveal *self = PyObject_GC_New(Reveal, Reveal_Type);
    if (self == NULL) return NULL;
    self->secret = (Secret *)Py_NewRef((PyObject *)secret);
    self->view = NULL;
    self->exports = 0;
    self->writable = writable;
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}

static int traverse(Reveal *self, visitproc visit, void *arg) {
    Py_VISIT((PyObject *)Py_TYPE((PyObject *)self));
    Py_VISIT(self->view);
    return 0;
}

static int clear(Reveal *self) {
    Py_CLEAR(self->view);
    return 0;
}

static void dealloc(Reveal *self) {
    PyObject_GC_UnTrack((PyObject *)self);
    Py_CLEAR(self->view);
    Py_CLEAR(self->secret);
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static int get_buffer(Reveal *self, Py_buffer *view, int flags) {
    view->obj = NULL;
    if (!self->writable && (flags & PyBUF_WRITABLE)) {
        PyErr_SetString(PyExc_BufferError, "this view is read-only: reveal(writable=True) gives a writable one");
        return -1;
    }
    uint8_t *data = secret_open(self->secret, self->writable);
    if (data == NULL) return -1;
    if (PyBuffer_FillInfo(view, (PyObject *)self, data, self->secret->length, !self->writable, flags) != 0) {
        sm_secret_close(self->secret->slot, self->writable);
        return -1;
    }
    self->exports++;
    return 0;
}

static void release_buffer(Reveal *self, Py_buffer *view) {
    (void)view;
    self->exports--;
    sm_secret_close(self->secret->slot, self->writable);
}

static PyObject *refuse_second(void) {
    PyErr_SetString(PyExc_RuntimeError, "this reveal() is entered already: call reveal() again for another view");
    return NULL;
}

static PyObject *enter(Reveal *self, PyObject *ignored) {
    (void)ignored;
    if (self->view != NULL || self->exports > 0) return refuse_second();
    PyObject *view = PyMemoryView_FromObject((PyObject *)self);
    if (view == NULL) return NULL;
    if (self->view != NULL) { /* by a finaliser, since making the view may run the collector */
        Py_DECREF(view);
        return refuse_second();
    }
    self->view = view;
    return Py_NewRef(view);
}

static PyObject *leave(Reveal *self, PyObject *exception) {
    (void)exception;
    if (self->view == NULL) Py_RETURN_NONE;
    PyObject *view = self->view;
    self->view = NULL;
    PyObject *released = PyObject_CallMethodObjArgs(view, release_name, NULL);
    Py_DECREF(view);
    if (released == NULL && !PyErr_ExceptionMatches(PyExc_BufferError)) return NULL;
    if (released == NULL) PyErr_Clear(); /* a consumer holds the view; said below */
    Py_XDECREF(released);
    if (self->exports > 0) return raise_status(SM_EXPORTED);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"__enter__", (PyCFunction)enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)leave, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A view of a secret for the length of a with statement; made by SecureBytes.reveal()."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_bf_getbuffer, get_buffer},
    {Py_bf_releasebuffer, release_buffer},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyTypeObject *reveal_type_make(void) {
    release_name = PyUnicode_InternFromString("release");
    if (release_name == NULL) return NULL;
    PyType_Spec specification = {.name = "securemem._types.Reveal",
                                 .basicsize = sizeof(Reveal),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
