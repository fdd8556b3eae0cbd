/* reveal_type.c: the explicit window, `with secret.reveal() as view`.
 *
 * The memoryview is made over a Window, not over the secret, so that the
 * window's own count of exports tells at the end whether slices of the view
 * live on.
 *
 *   Reveal --> view --> Window --> secret
 *
 * The arrows make no circle: where an interrupted `with` never leaves, all of
 * it goes with the Reveal, at once and without the garbage collector.
 */
#include "memoryviews.h"
#include "types.h"

typedef struct {
    PyObject_HEAD
    Secret *secret;
    Py_ssize_t exports;
    bool writable;
} Window;

typedef struct {
    PyObject_HEAD
    Secret *secret;
    Window *window; /* NULL outside the with statement, and so is the view */
    PyObject *view;
    bool writable;
} Reveal;

static PyTypeObject *Window_Type;

static void free_object(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* -- the window -- */

static Window *window_new(Secret *secret, bool writable) {
    Window *self = PyObject_New(Window, Window_Type);
    if (self == NULL) return NULL;
    self->secret = (Secret *)Py_NewRef((PyObject *)secret);
    self->exports = 0;
    self->writable = writable;
    return self;
}

static void window_dealloc(Window *self) {
    Py_CLEAR(self->secret);
    free_object((PyObject *)self);
}

static int get_buffer(Window *self, Py_buffer *view, int flags) {
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
    view->internal = view_note(self->writable);
    self->exports++;
    return 0;
}

static void release_buffer(Window *self, Py_buffer *view) {
    self->exports--;
    view_end(self->secret->slot, view->internal);
}

/* No hash: a view's would be made of the secret's bytes, and a view asks its exporter first. */
static PyType_Slot window_slots[] = {
    {Py_tp_doc, "What the view of a Reveal lies over."},
    {Py_tp_dealloc, window_dealloc},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_bf_getbuffer, get_buffer},
    {Py_bf_releasebuffer, release_buffer},
    {0, NULL},
};

/* -- the with statement -- */

PyObject *reveal_new(Secret *secret, bool writable) {
    Reveal *self = PyObject_New(Reveal, Reveal_Type);
    if (self == NULL) return NULL;
    self->secret = (Secret *)Py_NewRef((PyObject *)secret);
    self->window = NULL;
    self->view = NULL;
    self->writable = writable;
    return (PyObject *)self;
}

static void reveal_dealloc(Reveal *self) {
    Py_CLEAR(self->view);
    Py_CLEAR(self->window);
    Py_CLEAR(self->secret);
    free_object((PyObject *)self);
}

static PyObject *refuse_second(void) {
    PyErr_SetString(PyExc_RuntimeError, "this reveal() is entered already: call reveal() again for another view");
    return NULL;
}

static PyObject *enter(Reveal *self, PyObject *ignored) {
    (void)ignored;
    if (self->view != NULL) return refuse_second();
    Window *window = window_new(self->secret, self->writable);
    PyObject *view = window == NULL ? NULL : PyMemoryView_FromObject((PyObject *)window);
    if (view == NULL || self->view != NULL) { /* entered by a finaliser, since making the view may run the collector */
        Py_XDECREF(view);
        Py_XDECREF((PyObject *)window);
        return view == NULL ? NULL : refuse_second();
    }
    self->window = window;
    self->view = view;
    return Py_NewRef(view);
}

/* Releases the view; false: raised.  A consumer that holds the view lets the release fail: its export is counted. */
static bool release(PyObject *view) {
    if (view_release(view)) return true;
    if (!PyErr_ExceptionMatches(PyExc_BufferError)) return false;
    PyErr_Clear();
    return true;
}

static PyObject *leave(Reveal *self, PyObject *exception) {
    (void)exception;
    if (self->view == NULL) Py_RETURN_NONE;
    PyObject *view = self->view;
    Window *window = self->window;
    self->view = NULL;
    self->window = NULL;
    bool released = release(view);
    Py_DECREF(view);
    bool exported = window->exports > 0;
    Py_DECREF((PyObject *)window);
    if (!released) return NULL;
    if (exported) return raise_status(SM_EXPORTED);
    Py_RETURN_NONE;
}

/* memoryview(secret.reveal(writable=True)), without a with statement: over a window of its own. */
static int get_window(Reveal *self, Py_buffer *view, int flags) {
    view->obj = NULL;
    Window *window = window_new(self->secret, self->writable);
    if (window == NULL) return -1;
    int result = PyObject_GetBuffer((PyObject *)window, view, flags);
    Py_DECREF((PyObject *)window);
    return result;
}

static PyMethodDef methods[] = {
    {"__enter__", (PyCFunction)enter, METH_NOARGS, "Open the secret and return a memoryview of it, in place."},
    {"__exit__", (PyCFunction)leave, METH_VARARGS,
     "Release the memoryview. ExportedError: a slice of it, or something made from it, is still open."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reveal_slots[] = {
    {Py_tp_doc, "A view of a secret for the length of a with statement; made by SecureBytes.reveal()."},
    {Py_tp_dealloc, reveal_dealloc},
    {Py_bf_getbuffer, get_window},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyTypeObject *make_type(const char *name, int size, PyType_Slot *slots) {
    PyType_Spec specification = {.name = name,
                                 .basicsize = size,
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}

PyTypeObject *reveal_type_make(void) {
    Window_Type = make_type("securemem._types.Window", sizeof(Window), window_slots);
    if (Window_Type == NULL) return NULL;
    return make_type("securemem._types.Reveal", sizeof(Reveal), reveal_slots);
}
