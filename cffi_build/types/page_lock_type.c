/* page_lock_type.c: what mlock() gives.
 *
 * Locking and the object that gives the lock back are one call, and so is
 * giving it back: no exception can come between them, and leave pages locked
 * that nobody unlocks.
 */
#include "page_lock_type.h"

#include <structmember.h>

#include "page_locks.h"
#include "sources.h"
#include "types.h"

typedef struct {
    PyObject_HEAD
    Py_buffer view; /* keeps the memory where it is */
    bool has;       /* a lock to give back; two threads cannot both take it, as the GIL is held */
    bool on_fault;
    uint64_t ticket;
    PyObject *weak_references;
} PageLock;

PyTypeObject *PageLock_Type;

/* A secret's own refusal says more. */
static bool get_view(PageLock *self, PyObject *buffer) {
    if (PyObject_GetBuffer(buffer, &self->view, PyBUF_SIMPLE) == 0) return true;
    bool refused = PyErr_ExceptionMatches(PyExc_BufferError) || PyErr_ExceptionMatches(PyExc_ValueError);
    if (Py_TYPE(buffer) == Secret_Type || !refused) return false;
    PyErr_Clear();
    raise_named("SourceError", "the buffer must be contiguous, to be locked where it lies");
    return false;
}

PyObject *page_lock(PyObject *module, PyObject *args) {
    PyObject *buffer;
    int on_fault;
    (void)module;
    if (!PyArg_ParseTuple(args, "Op", &buffer, &on_fault)) return NULL;
    PageLock *self = PyObject_New(PageLock, PageLock_Type);
    if (self == NULL) return NULL;
    self->has = false;
    self->on_fault = on_fault != 0;
    self->weak_references = NULL;
    enum sm_status status = SM_OK;
    if (get_view(self, buffer)) {
        Py_BEGIN_ALLOW_THREADS
        status = sm_page_lock(&self->ticket, self->view.buf, (size_t)self->view.len, self->on_fault);
        Py_END_ALLOW_THREADS
        self->has = status == SM_OK;
        if (self->has) return (PyObject *)self;
        PyBuffer_Release(&self->view);
        raise_status(status);
    }
    Py_DECREF((PyObject *)self);
    return NULL;
}

/* False: raised; the buffer is let go all the same. */
static bool give_back(PageLock *self) {
    if (!self->has) return true;
    self->has = false;
    Py_buffer view = self->view;
    enum sm_status status;
    Py_BEGIN_ALLOW_THREADS
    status = sm_page_unlock(view.buf, (size_t)view.len, self->on_fault, self->ticket);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    if (status != SM_OK) raise_status(status);
    return status == SM_OK;
}

static PyObject *unlock(PageLock *self, PyObject *ignored) {
    (void)ignored;
    if (!give_back(self)) return NULL;
    Py_RETURN_NONE;
}

static void dealloc(PageLock *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject *kind, *value, *traceback;
    PyErr_Fetch(&kind, &value, &traceback);
    if (self->weak_references != NULL) PyObject_ClearWeakRefs((PyObject *)self);
    if (!give_back(self)) PyErr_WriteUnraisable((PyObject *)type);
    PyErr_Restore(kind, value, traceback);
    PyObject_Free(self);
    Py_DECREF(type);
}

static bool is_held(PageLock *self) {
    return self->has && sm_page_lock_lives(self->view.buf, (size_t)self->view.len, self->ticket);
}

static PyObject *get_held(PageLock *self, void *closure) {
    (void)closure;
    return PyBool_FromLong(is_held(self));
}

static PyObject *get_size(PageLock *self, void *closure) {
    (void)closure;
    return PyLong_FromSsize_t(self->has ? self->view.len : 0);
}

static PyObject *represent(PageLock *self) {
    return is_held(self) ? PyUnicode_FromFormat("<PageLock of %zd bytes>", self->view.len)
                         : PyUnicode_FromString("<PageLock, not held>");
}

static PyObject *enter(PageLock *self, PyObject *ignored) {
    (void)ignored;
    return Py_NewRef((PyObject *)self);
}

static PyObject *refuse_pickle(PageLock *self, PyObject *ignored) {
    (void)self, (void)ignored;
    PyErr_SetString(PyExc_TypeError, "a PageLock cannot be pickled or copied: it locks memory of this process");
    return NULL;
}

static PyObject *refuse_call(PyTypeObject *type, PyObject *args, PyObject *names) {
    (void)type, (void)args, (void)names;
    PyErr_SetString(PyExc_TypeError, "a PageLock is made by securemem.locking.mlock()");
    return NULL;
}

static PyMethodDef methods[] = {
    {"unlock", (PyCFunction)unlock, METH_NOARGS,
     "unlock($self, /)\n--\n\nGive the lock back and let go of the buffer; may be called again.\n\n"
     "A page is unlocked when no other PageLock holds it, unless it holds secrets, or a mlockall() of this module is\n"
     "in force (munlockall() then unlocks it). Raises MappingLimitError where the kernel would have to split a\n"
     "mapping and may not: the pages then stay locked, and only munlockall() or unmapping unlocks them."},
    {"__enter__", (PyCFunction)enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn the lock itself."},
    {"__exit__", (PyCFunction)unlock, METH_VARARGS, "Unlock."},
    {"__reduce__", (PyCFunction)refuse_pickle, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nRefuse: a lock is on memory of this process, also once it was given back."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"held", (getter)get_held, NULL,
     "Whether this lock counts: not given back, made in this process, and no page of it undone by munlock().", NULL},
    {"nbytes", (getter)get_size, NULL,
     "Bytes of the buffer; the lock covers the whole pages that they lie in. 0 once unlocked.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PageLock, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     "A lock on the pages that a buffer lies in, made by `mlock`; a context manager that unlocks at its end.\n\n"
     "It holds the buffer, so that the memory stays where it is: a bytearray cannot be resized, an mmap not be closed.\n"
     "When the object is dropped, it unlocks too. In a forked child it is void, for locks are not inherited: `held` is\n"
     "False there, and unlock() does nothing. Where the memory was unmapped behind the buffer's back, the kernel's lock\n"
     "is gone with it; unlock() says nothing, `verify_locks` counts it."},
    {Py_tp_new, refuse_call},
    {Py_tp_dealloc, dealloc},
    {Py_tp_repr, represent},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {0, NULL},
};

PyTypeObject *page_lock_type_make(void) {
    PyType_Spec specification = {.name = "securemem.locking.PageLock",
                                 .basicsize = sizeof(PageLock),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
