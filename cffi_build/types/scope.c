/* scope.c: operations that Python code does and C ends.
 *
 * An exception may come between any two bytecodes, also inside `finally` and
 * around `with`.  So the work of an operation is a Python function, and what
 * must happen at its end is done by operate(), the C function that calls it,
 * whatever it raised: frames let go, targets of a failed operation wiped, views
 * released, registers and dead stack cleared.
 *
 * That ends what it knows of.  The work therefore acquires views by methods of
 * the Scope that it is given, each of which makes and registers one in one step.
 */
#include "scope.h"

#include <stdbool.h>
#include <string.h>

#include "ending.h"
#include "kept.h"
#include "last_calls.h"
#include "memoryviews.h"
#include "os.h"
#include "scratch.h"
#include "sources.h"
#include "wipe.h"

PyTypeObject *Scope_Type;
static PyObject *cast_name, *byte_format;

/* More views at once than any operation needs. */
#define MOST_VIEWS 24

struct held {
    PyObject *view; /* a memoryview */
    bool target;    /* to be wiped if the operation fails */
};

typedef struct {
    PyObject_HEAD
    Py_ssize_t count;    /* of views; -1 once it ended */
    uint64_t generation; /* of the process that it began in */
    struct held held[MOST_VIEWS];
    LastCalls last_calls;
} Scope;

/* forked: the operation began in a parent process, where the pages of secrets have stayed. */
static void wipe_view(PyObject *view, bool forked) {
    Py_buffer buffer;
    uint8_t first;
    if (PyObject_GetBuffer(view, &buffer, PyBUF_WRITABLE) != 0) {
        PyErr_Clear(); /* released already */
        return;
    }
    bool here = !forked || sm_os_read_own_memory(&first, (uintptr_t)buffer.buf, sizeof first) == 0;
    if (here) sm_wipe(buffer.buf, (size_t)buffer.len);
    PyBuffer_Release(&buffer);
}

/* Takes the reference.  Where somebody holds an export of the view itself, the
 * window stays open, and statistics tell of it. */
static void release_view(PyObject *view) {
    PyObject *kind, *value, *traceback;
    PyErr_Fetch(&kind, &value, &traceback);
    (void)view_release(view);
    PyErr_Restore(kind, value, traceback);
    Py_DECREF(view);
}

/* Views that came last go first, as they may be parts of earlier ones.  In a forked child nothing is called: files and
 * databases are the parent's there.  False: a call failed, and raised. */
static bool end(Scope *self, bool failed) {
    Py_ssize_t count = self->count;
    self->count = -1;
    for (Py_ssize_t i = count; failed && i-- > 0;) {
        if (self->held[i].target) wipe_view(self->held[i].view, self->generation != sm_fork_generation());
    }
    while (count-- > 0) release_view(self->held[count].view);
    if (self->generation == sm_fork_generation()) return last_calls_make(&self->last_calls, failed);
    last_calls_drop(&self->last_calls);
    return true;
}

static bool has_room(Scope *self) {
    if (self->count >= 0 && self->count < MOST_VIEWS) return true;
    PyErr_SetString(PyExc_RuntimeError, self->count < 0 ? "this scope has ended: its operation is over" : "too many views");
    return false;
}

/* Takes the reference; a new one to the view, or NULL where it was NULL. */
static PyObject *hold(Scope *self, PyObject *view, bool target) {
    if (view == NULL) return NULL;
    if (!has_room(self)) { /* making the view ran a finalizer that took the last place */
        release_view(view);
        return NULL;
    }
    self->held[self->count++] = (struct held){view, target};
    return Py_NewRef(view);
}

/* The view, byte for byte; takes the reference, and holds the view that was cast too. */
static PyObject *as_bytes(Scope *self, PyObject *view, bool target) {
    PyObject *cast = view == NULL ? NULL : PyObject_CallMethodObjArgs(view, cast_name, byte_format, NULL);
    if (cast == NULL) {
        if (view != NULL) release_view(view);
        return NULL;
    }
    Py_XDECREF(hold(self, view, false));
    return hold(self, cast, target);
}

static const char *label(PyObject *const *args, Py_ssize_t count) {
    const char *text = count == 2 ? PyUnicode_AsUTF8AndSize(args[1], NULL) : NULL;
    if (count != 2) PyErr_SetString(PyExc_TypeError, "two arguments are taken, a buffer and its name");
    return text;
}

static PyObject *read_view(Scope *self, PyObject *const *args, Py_ssize_t count) {
    const char *what = label(args, count);
    Py_buffer buffer;
    if (what == NULL || !has_room(self)) return NULL;
    PyTypeObject *type = Py_TYPE(args[0]);
    if (type == Secret_Type || type == &PyBytes_Type) return hold(self, PyMemoryView_FromObject(args[0]), false);
    if (!source_get(args[0], &buffer, what)) return NULL;
    PyObject *view = PyMemoryView_FromObject(args[0]);
    PyBuffer_Release(&buffer);
    return as_bytes(self, view, false);
}

static PyObject *write_secret(Scope *self, Secret *secret) {
    PyObject *reveal = secret == NULL ? NULL : reveal_new(secret, true);
    PyObject *view = reveal == NULL ? NULL : PyMemoryView_FromObject(reveal);
    Py_XDECREF(reveal);
    return hold(self, view, true);
}

static PyObject *scratch(Scope *self, PyObject *size) {
    Py_ssize_t length = PyNumber_AsSsize_t(size, PyExc_OverflowError);
    if (PyErr_Occurred() || !has_room(self)) return NULL;
    Secret *secret = scratch_new(length);
    PyObject *view = write_secret(self, secret);
    Py_XDECREF((PyObject *)secret); /* the view holds it */
    return view;
}

static PyObject *write_view(Scope *self, PyObject *const *args, Py_ssize_t count) {
    const char *what = label(args, count);
    Py_buffer buffer;
    if (what == NULL || !has_room(self)) return NULL;
    if (Py_TYPE(args[0]) == Secret_Type) return write_secret(self, (Secret *)args[0]);
    if (!target_get(args[0], &buffer, what)) return NULL;
    PyObject *view = PyMemoryView_FromObject(args[0]);
    PyBuffer_Release(&buffer);
    return as_bytes(self, view, true);
}

static PyObject *part(Scope *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 3 || !PyMemoryView_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "three arguments are taken: a view, where its part starts, and where it ends");
        return NULL;
    }
    Py_ssize_t start = PyNumber_AsSsize_t(args[1], PyExc_IndexError), stop = PyNumber_AsSsize_t(args[2], PyExc_IndexError);
    if (PyErr_Occurred() || !has_room(self)) return NULL;
    return hold(self, PySequence_GetSlice(args[0], start, stop), false);
}

/* receive(view, function, *arguments): the bytes that a function of cryptography
 * made, moved into a view and zeroed where they lie; no more than the view
 * takes.  Nobody else may hold them, and they have two bytes or more, since
 * Python shares the shorter ones. */
static PyObject *receive(Scope *self, PyObject *const *args, Py_ssize_t count) {
    Py_buffer target;
    (void)self;
    if (count < 2) {
        PyErr_SetString(PyExc_TypeError, "two arguments or more are taken: a view, a function, and its arguments");
        return NULL;
    }
    if (PyObject_GetBuffer(args[0], &target, PyBUF_WRITABLE) != 0) return NULL;
    PyObject *arguments = PyTuple_New(count - 2), *made = NULL;
    for (Py_ssize_t i = 2; arguments != NULL && i < count; i++) PyTuple_SetItem(arguments, i - 2, Py_NewRef(args[i]));
    if (arguments != NULL) made = PyObject_Call(args[1], arguments, NULL);
    Py_XDECREF(arguments);
    bool fits = false;
    if (made != NULL && PyBytes_Check(made)) {
        char *bytes = PyBytes_AsString(made);
        size_t size = (size_t)PyBytes_Size(made);
        fits = size > 1 && size >= (size_t)target.len;
        if (fits) memcpy(target.buf, bytes, (size_t)target.len);
        if (size > 1) sm_wipe(bytes, size);
    }
    if (made != NULL && !fits) PyErr_SetString(PyExc_SystemError, "the function gave no bytes, or too few");
    Py_XDECREF(made);
    PyBuffer_Release(&target);
    if (!fits) return NULL;
    Py_RETURN_NONE;
}

PyObject *scope_operate(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    if (count < 2) {
        PyErr_SetString(PyExc_TypeError, "two arguments or more are taken: depth, work, and its arguments");
        return NULL;
    }
    size_t depth = PyLong_AsSize_t(args[0]);
    if (depth == (size_t)-1 && PyErr_Occurred()) return NULL;
    if (depth > 0 && !kept_admits()) return NULL; /* a depth is what operations with keys ask for */
    Scope *scope = PyObject_New(Scope, Scope_Type);
    if (scope == NULL) return NULL;
    scope->count = scope->last_calls.count = 0;
    scope->generation = sm_fork_generation();
    PyObject *arguments = PyTuple_New(count - 1), *result = NULL;
    if (arguments != NULL) {
        PyTuple_SetItem(arguments, 0, Py_NewRef((PyObject *)scope));
        for (Py_ssize_t i = 2; i < count; i++) PyTuple_SetItem(arguments, i - 1, Py_NewRef(args[i]));
        result = PyObject_Call(args[1], arguments, NULL);
        Py_DECREF(arguments);
    }
    if (result == NULL) ending_let_go();
    PyObject *kind, *value, *traceback;
    PyErr_Fetch(&kind, &value, &traceback);
    bool ended = end(scope, result == NULL);
    sm_scrub(depth);
    Py_DECREF(scope);
    if (ended || result == NULL) { /* of two exceptions the first is told */
        PyErr_Restore(kind, value, traceback);
        return result;
    }
    Py_DECREF(result);
    return NULL;
}

static PyObject *at_end(Scope *self, PyObject *const *args, Py_ssize_t count) {
    return has_room(self) ? last_calls_add(&self->last_calls, args, count, true) : NULL;
}

static PyObject *on_failure(Scope *self, PyObject *const *args, Py_ssize_t count) {
    return has_room(self) ? last_calls_add(&self->last_calls, args, count, false) : NULL;
}

static PyObject *acquire(Scope *self, PyObject *const *args, Py_ssize_t count) {
    return has_room(self) ? last_calls_acquire(&self->last_calls, args, count, true) : NULL;
}

static PyObject *keep(Scope *self, PyObject *const *args, Py_ssize_t count) {
    return has_room(self) ? last_calls_acquire(&self->last_calls, args, count, false) : NULL;
}

static PyObject *check(Scope *self, PyObject *ignored) {
    (void)ignored;
    if (self->generation != sm_fork_generation()) return raise_status(SM_FORKED);
    Py_RETURN_NONE;
}

static void dealloc(Scope *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))read_view, METH_FASTCALL,
     "read($self, buffer, what, /)\n--\n\nA view of a bytes-like object, byte for byte, released at the end of the operation."},
    {"write", (PyCFunction)(void (*)(void))write_view, METH_FASTCALL,
     "write($self, buffer, what, /)\n--\n\nThe same, writable; what it views is wiped if the operation fails."},
    {"part", (PyCFunction)(void (*)(void))part, METH_FASTCALL,
     "part($self, view, start, stop, /)\n--\n\nA slice of a view, released at the end: one made by [] outlives its parent."},
    {"scratch", (PyCFunction)scratch, METH_O,
     "scratch($self, size, /)\n--\n\nA writable view of so many zeros in locked memory, wiped at the end."},
    {"check", (PyCFunction)check, METH_NOARGS,
     "check($self)\n--\n\nForkedError in a child of the process that the operation began in: its views show nothing there."},
    {"receive", (PyCFunction)(void (*)(void))receive, METH_FASTCALL,
     "receive($self, view, function, /, *arguments)\n--\n\nCalls a function that gives fresh bytes, moves as many as the "
     "view takes into it,\nand zeroes the bytes where they lie."},
    {"at_end", (PyCFunction)(void (*)(void))at_end, METH_FASTCALL,
     "at_end($self, /, *calls)\n--\n\nEach a tuple of a compiled function and its arguments, called at the end, the last "
     "first;\nnot in a child forked meanwhile.  What one raises is dropped where the operation failed."},
    {"on_failure", (PyCFunction)(void (*)(void))on_failure, METH_FASTCALL,
     "on_failure($self, /, *calls)\n--\n\nThe same, only if the operation fails."},
    {"acquire", (PyCFunction)(void (*)(void))acquire, METH_FASTCALL,
     "acquire($self, release, make, /, *arguments)\n--\n\nmake(*arguments), for which release() is called at the end."},
    {"keep", (PyCFunction)(void (*)(void))keep, METH_FASTCALL,
     "keep($self, release, make, /, *arguments)\n--\n\nThe same, released only if the operation fails."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "What an operation acquired, for operate() to release at its end."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyTypeObject *scope_type_make(void) {
    cast_name = PyUnicode_InternFromString("cast");
    byte_format = PyUnicode_InternFromString("B");
    if (cast_name == NULL || byte_format == NULL) return NULL;
    PyType_Spec specification = {.name = "securemem._types.Scope",
                                 .basicsize = sizeof(Scope),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
