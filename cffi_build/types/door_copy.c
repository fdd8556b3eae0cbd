/* door_copy.c: a copy of a secret as bytes or str, for the length of a call.
 *
 * The copy is wiped where it lies only if nobody else can have it: this is the
 * last reference, it is longer than the values that Python shares, and, of a str,
 * it is ASCII (its bytes are then the object's own) and not interned.  The C API
 * does not tell whether a str is interned; the word that says so is found once by
 * interning a str made for that.  Where this finds anything unexpected, no str is
 * wiped.
 */
#include <string.h>

#include "door_types.h"
#include "wipe.h"

/* Behind the head: length, hash, state (CPython 3.11 to 3.15). */
#define STATE_AT (sizeof(PyObject) + 2 * sizeof(Py_ssize_t))
#define INTERNED 3u

static bool knows_interned;

static uint32_t state_of(PyObject *text) {
    uint32_t state;
    memcpy(&state, (const char *)text + STATE_AT, sizeof state);
    return state;
}

static void find_interned(void) {
    PyObject *text = PyUnicode_FromString("securemem looks how a string is interned");
    if (text == NULL) return PyErr_Clear();
    uint32_t before = state_of(text);
    PyUnicode_InternInPlace(&text);
    uint32_t changed = before ^ state_of(text);
    knows_interned = (before & INTERNED) == 0 && changed != 0 && (changed & ~INTERNED) == 0;
    Py_DECREF(text);
}

static bool is_ours_alone(PyObject *copy, char **data, Py_ssize_t *length) {
    if (Py_REFCNT(copy) != 1) return false;
    if (PyBytes_CheckExact(copy)) return PyBytes_AsStringAndSize(copy, data, length) == 0 && *length > 1;
    const char *text = PyUnicode_AsUTF8AndSize(copy, length);
    if (text == NULL) return PyErr_Clear(), false;
    *data = (char *)text;
    bool is_ascii = PyUnicode_GetLength(copy) == *length;
    return knows_interned && is_ascii && *length > 1 && (state_of(copy) & INTERNED) == 0;
}

static PyObject *make_copy(PyObject *secret, bool as_text) {
    Py_buffer view;
    if (!source_get(secret, &view, "the secret")) return NULL;
    PyObject *copy = as_text ? PyUnicode_DecodeUTF8(view.buf, view.len, "strict") : PyBytes_FromStringAndSize(view.buf, view.len);
    PyBuffer_Release(&view);
    if (copy != NULL || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return copy;
    PyErr_Clear(); /* the error has the bytes */
    return raise_named("FormatError", "the secret is not UTF-8, and cannot be a str: use with_bytes()");
}

/* (secret, call, as_text): what call(copy) returned, and whether the copy was wiped. */
PyObject *door_with_copy(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *secret, *call;
    int as_text;
    if (!PyArg_ParseTuple(args, "OOp", &secret, &call, &as_text)) return NULL;
    if (as_text && !knows_interned) find_interned();
    PyObject *copy = make_copy(secret, as_text), *kind, *value, *traceback;
    if (copy == NULL) return NULL;
    PyObject *result = PyObject_CallFunctionObjArgs(call, copy, NULL);
    PyErr_Fetch(&kind, &value, &traceback);
    char *data;
    Py_ssize_t length;
    bool wiped = is_ours_alone(copy, &data, &length);
    if (wiped) sm_wipe(data, (size_t)length);
    Py_DECREF(copy);
    door_scrub();
    PyErr_Restore(kind, value, traceback);
    if (result == NULL) return NULL;
    PyObject *both = Py_BuildValue("NO", result, wiped ? Py_True : Py_False);
    return both;
}
