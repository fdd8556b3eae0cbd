/* arena_type.c: the handle through which Python holds an arena.
 *
 * Policies come as the integers of securemem.h; the words for them, and the
 * checks with messages, are in securemem/arenas.py.
 */
#include "kept.h"
#include "types.h"

static PyObject *make(PyTypeObject *type, PyObject *args, PyObject *names) {
    (void)args, (void)names; /* they are __init__'s */
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    ArenaHandle *self = (ArenaHandle *)allocate(type, 0);
    if (self != NULL) self->arena = NULL;
    return (PyObject *)self;
}

static PyObject *create(ArenaHandle *self, PyObject *args) {
    struct sm_policy policy;
    Py_ssize_t max_bytes;
    if (!PyArg_ParseTuple(args, "iiini", &policy.at_rest, &policy.lock, &policy.backend, &max_bytes, &policy.fork)) return NULL;
    policy.max_bytes = (size_t)max_bytes;
    if (self->arena != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this Arena exists already");
        return NULL;
    }
    enum sm_status status = sm_arena_create(&self->arena, &policy);
    if (status != SM_OK) return raise_status(status);
    Py_RETURN_NONE;
}

/* The core's calls without the GIL, as they may wait for the kernel; what was made of the keys goes in the same call. */
static PyObject *close_arena(ArenaHandle *self, PyObject *ignored) {
    (void)ignored;
    size_t waiting = 0;
    if (self->arena == NULL) {
        PyErr_SetString(PyExc_TypeError, "this Arena was never initialised: call Arena.__init__");
        return NULL;
    }
    PyThreadState *thread = PyEval_SaveThread();
    enum sm_status status = sm_arena_close(self->arena, &waiting);
    PyEval_RestoreThread(thread);
    kept_forget_wiped();
    return status == SM_OK ? PyLong_FromSize_t(waiting) : raise_status(status);
}

PyObject *arenas_purge(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    PyThreadState *thread = PyEval_SaveThread();
    size_t waiting = sm_secret_purge();
    PyEval_RestoreThread(thread);
    kept_forget_all();
    return PyLong_FromSize_t(waiting);
}

static PyObject *get_address(ArenaHandle *self, void *closure) {
    (void)closure;
    return PyLong_FromVoidPtr(self->arena);
}

static void dealloc(ArenaHandle *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->arena != NULL) sm_arena_release(self->arena);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"_create", (PyCFunction)create, METH_VARARGS, "_create(at_rest, lock, backend, max_bytes, fork)"},
    {"_close", (PyCFunction)close_arena, METH_NOARGS,
     "_close($self)\n--\n\nWipes its secrets and refuses new ones; the number of views whose release is waited for."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"_address", (getter)get_address, NULL, "The core's arena, for the cffi bindings.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The core's side of securemem.Arena."},
    {Py_tp_new, make},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, NULL},
};

PyTypeObject *arena_type_make(void) {
    PyType_Spec specification = {.name = "securemem._types.ArenaHandle",
                                 .basicsize = sizeof(ArenaHandle),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
