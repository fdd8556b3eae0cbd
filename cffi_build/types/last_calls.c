/* last_calls.c: functions that an operation's end calls, such as a database's rollback or the removal of a file.
 *
 * They are compiled functions: one of Python could be interrupted itself.  All
 * that a call needs is made when it is registered, so that it needs no memory.
 */
#include "last_calls.h"

static bool is_compiled(PyObject *const *args, Py_ssize_t count, Py_ssize_t functions) {
    bool right = count >= functions;
    for (Py_ssize_t i = 0; right && i < functions; i++) right = PyCFunction_Check(args[i]);
    if (!right) PyErr_SetString(PyExc_TypeError, "compiled functions are taken, and arguments");
    return right;
}

static bool has_room(LastCalls *self) {
    if (self->count < MOST_LAST_CALLS) return true;
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
    if (!is_compiled(args, count, 1)) return NULL;
    PyObject *arguments = packed(args + 1, count - 1);
    if (arguments == NULL) return NULL;
    if (!has_room(self)) { /* asked last, as the packing may have run a finalizer that registered something */
        Py_DECREF(arguments);
        return NULL;
    }
    add(self, args[0], arguments, always);
    Py_RETURN_NONE;
}

/* What the releasing needs is made first, so that nothing can fail once there is something. */
PyObject *last_calls_acquire(LastCalls *self, PyObject *const *args, Py_ssize_t count) {
    if (!is_compiled(args, count, 2)) return NULL;
    PyObject *nothing = Py_None, *release = packed(&nothing, 1), *arguments = packed(args + 2, count - 2), *made = NULL;
    if (release != NULL && arguments != NULL && has_room(self)) made = PyObject_Call(args[1], arguments, NULL);
    Py_XDECREF(arguments);
    if (made == NULL || !has_room(self)) { /* room that a finalizer took meanwhile is no case that there is */
        Py_XDECREF(release);
        Py_XDECREF(made);
        return NULL;
    }
    PyTuple_SetItem(release, 0, Py_NewRef(made));
    add(self, args[0], release, true);
    return made;
}

/* Takes the last one out, and calls it if that is wanted.  False: raised. */
static bool take_last(LastCalls *self, bool wanted) {
    self->count--;
    PyObject *function = self->calls[self->count].function, *arguments = self->calls[self->count].arguments;
    PyObject *answer = wanted ? PyObject_Call(function, arguments, NULL) : Py_NewRef(Py_None);
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
