/* ending.c: letting go of what the frames of a failed operation hold.
 *
 * `frame.clear()` refuses a frame that still runs, so that only finished ones
 * are cleared.  Clearing runs finalizers, which may run any code: the exception
 * is therefore put aside meanwhile.  Nothing here needs memory, since it is
 * called after a MemoryError too; what fails nevertheless is dropped.
 */
#include "ending.h"

#include <stdbool.h>

/* Bounds for chains that someone made very long, or circular. */
#define MOST_EXCEPTIONS 64
#define MOST_FRAMES 4096

static const char *const names[] = {"__traceback__", "__context__", "__cause__", "tb_frame",   "tb_next",
                                    "f_globals",     "clear",       "__name__",  "securemem",  "securemem.",
                                    "cryptography",  "cryptography.", "abc"};
enum name {
    TRACEBACK, CONTEXT, CAUSE, FRAME, NEXT, GLOBALS, CLEAR, MODULE, OURS, OURS_DOT, THEIRS, THEIRS_DOT, ABSTRACT, NAMES
};
static PyObject *interned[NAMES];

int ending_start(void) {
    for (size_t i = 0; i < NAMES; i++) {
        if (interned[i] == NULL) interned[i] = PyUnicode_InternFromString(names[i]);
        if (interned[i] == NULL) return -1;
    }
    return 0;
}

/* A new reference; NULL where there is none, and nothing raised. */
static PyObject *ask(PyObject *object, enum name name) {
    PyObject *value = PyObject_GetAttr(object, interned[name]);
    if (value == NULL) PyErr_Clear();
    if (value != Py_None) return value;
    Py_DECREF(value);
    return NULL;
}

static bool is_in(PyObject *module, enum name package, enum name package_dot) {
    if (PyUnicode_Compare(module, interned[package]) == 0) return true;
    return PyUnicode_Tailmatch(module, interned[package_dot], 0, PyUnicode_GetLength(module), -1) == 1;
}

/* Whether the frame runs code of ours, or of cryptography, or an isinstance() that the latter asked for: it holds a
 * cipher, and so the key. */
static bool is_ours(PyObject *frame) {
    PyObject *globals = ask(frame, GLOBALS);
    PyObject *module = globals != NULL && PyDict_Check(globals) ? PyDict_GetItemWithError(globals, interned[MODULE]) : NULL;
    bool ours = module != NULL && PyUnicode_Check(module) &&
                (is_in(module, OURS, OURS_DOT) || is_in(module, THEIRS, THEIRS_DOT) ||
                 PyUnicode_Compare(module, interned[ABSTRACT]) == 0);
    PyErr_Clear();
    Py_XDECREF(globals);
    return ours;
}

static void clear_frame(PyObject *frame) {
    PyObject *done = PyObject_CallMethodObjArgs(frame, interned[CLEAR], NULL);
    Py_XDECREF(done);
    PyErr_Clear(); /* it still runs */
}

/* Takes the reference. */
static void clear_frames(PyObject *traceback) {
    for (size_t count = 0; traceback != NULL && count < MOST_FRAMES; count++) {
        PyObject *frame = ask(traceback, FRAME);
        if (frame != NULL && is_ours(frame)) clear_frame(frame);
        Py_XDECREF(frame);
        PyObject *next = ask(traceback, NEXT);
        Py_DECREF(traceback);
        traceback = next;
    }
    Py_XDECREF(traceback);
}

/* Depth first: the causes of an exception, then their own. */
static void clear_chain(PyObject *exception, size_t *left) {
    for (Py_INCREF(exception); exception != NULL && *left > 0; (*left)--) {
        clear_frames(ask(exception, TRACEBACK));
        PyObject *cause = ask(exception, CAUSE);
        PyObject *context = ask(exception, CONTEXT);
        if (cause != NULL && cause != context && *left > 1) {
            (*left)--;
            clear_chain(cause, left);
        }
        Py_XDECREF(cause);
        Py_DECREF(exception);
        exception = context;
    }
    Py_XDECREF(exception);
}

void ending_let_go(void) {
    PyObject *kind, *value, *traceback;
    PyErr_Fetch(&kind, &value, &traceback);
    if (kind == NULL) return;
    size_t left = MOST_EXCEPTIONS;
    clear_frames(Py_XNewRef(traceback)); /* not yet the exception's own */
    if (value != NULL && PyExceptionInstance_Check(value)) clear_chain(value, &left);
    PyErr_Restore(kind, value, traceback);
}
