/* last_calls.c: functions that an operation's end calls, such as a database's rollback or the removal of a file.
 *
 * They are compiled functions: one of Python could be interrupted itself.  All
 * that a call needs is made when it is registered, so that it needs no memory.
 */
#include "last_calls.h"

static bool is_compiled(PyObject *function) {
    bool right = PyCallable_Check(function) && !PyObject_HasAttrString(function, "__code__");
    PyErr_Clear();
    if (!right) PyErr_SetString(PyExc_TypeError, "a compiled function is taken, and its arguments");
    return right;
}

static bool has_room(LastCalls *self, Py_ssize_t count) {
    if (count <= MOST_LAST_CALLS - self->count) return true;
    PyErr_SetString(PyExc_RuntimeError, "too much is to be called at the end of this operation");
    return false;
}

static PyObject *packed(PyObject *const *items, Py_ssize_t count) {
    PyObject *tuple = PyTuple_New(count);
    for (Py_ssize_t i = 0; tuple != NULL && i < count; i++) PyTuple_SetItem(tuple, i, Py_NewRef(items[i]));
    return tuple;
}

/* Takes the arguments. */
static void add(LastCalls *self, PyObject *function, PyObject *arguments, bool always) {
    self->calls[self->count].function = Py_NewRef(function);
    self->calls[self->count].arguments = arguments;
    self->calls[self->count++].always = always;
}

PyObject *last_calls_add(LastCalls *self, PyObject *const *args, Py_ssize_t count, bool always) {
    PyObject *arguments[MOST_LAST_CALLS] = {NULL};
    Py_ssize_t packed_count = 0;
    bool right = has_room(self, count);
    for (; right && packed_count < count; packed_count += right) {
        Py_ssize_t size = PyTuple_Check(args[packed_count]) ? PyTuple_Size(args[packed_count]) : 0;
        right = is_compiled(size == 0 ? Py_None : PyTuple_GetItem(args[packed_count], 0));
        if (right) arguments[packed_count] = PyTuple_GetSlice(args[packed_count], 1, size);
        right = right && arguments[packed_count] != NULL;
    }
    right = right && has_room(self, count); /* asked again: packing may have run a finalizer that registered something */
    for (Py_ssize_t i = 0; i < packed_count; i++) {
        if (right) add(self, PyTuple_GetItem(args[i], 0), arguments[i], always);
        else Py_DECREF(arguments[i]);
    }
    if (!right) return NULL;
    Py_RETURN_NONE;
}

/* What the releasing needs is made first, so that nothing can fail once there is something. */
PyObject *last_calls_acquire(LastCalls *self, PyObject *const *args, Py_ssize_t count, bool always) {
    if (!is_compiled(count < 2 ? Py_None : args[0]) || !is_compiled(args[1])) return NULL;
    PyObject *nothing = Py_None, *release = packed(&nothing, 1), *arguments = packed(args + 2, count - 2), *made = NULL;
    if (release != NULL && arguments != NULL && has_room(self, 2)) made = PyObject_Call(args[1], arguments, NULL);
    Py_XDECREF(arguments);
    if (made == NULL) {
        Py_XDECREF(release);
        return NULL;
    }
    PyTuple_SetItem(release, 0, Py_NewRef(made));
    add(self, args[0], release, always);
    return made;
}

/* Takes the last one out, and calls it if that is wanted.  False: raised. */
static bool take_last(LastCalls *self, bool wanted) {
    self->count--;
    PyObject *function = self->calls[self->count].function, *arguments = self->calls[self->count].arguments;
    PyObject *answer = wanted ? PyObject_Call(function, arguments, NULL) : Py_NewRef(Py_None);
    if (answer == NULL && PyErr_ExceptionMatches(PyExc_MemoryError)) { /* letting frames go may have made room since */
        PyErr_Clear();
        answer = PyObject_Call(function, arguments, NULL);
    }
    Py_DECREF(function);
    Py_DECREF(arguments);
    Py_XDECREF(answer);
    return answer != NULL;
}

bool last_calls_make(LastCalls *self, bool failed) {
    PyObject *kind = NULL, *value = NULL, *traceback = NULL;
    while (self->count > 0) {
        if (take_last(self, failed || self->calls[self->count - 1].always)) continue;
        Py_XDECREF(kind);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        PyErr_Fetch(&kind, &value, &traceback);
    }
    if (kind == NULL) return true;
    PyErr_Restore(kind, value, traceback);
    return false;
}

void last_calls_drop(LastCalls *self) {
    while (self->count > 0) (void)take_last(self, false);
}
