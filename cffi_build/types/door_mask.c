/* door_mask.c: a text without the secrets in it.
 *
 * Every place is compared with every secret to its end, so that the time tells
 * the lengths and not how much of a secret a text guesses.
 */
#include <string.h>

#include "door_types.h"
#include "wipe.h"

static const char mask[] = "[secret]";

/* Whether the secret lies at some place of the text; each is overwritten there by 0xff, which UTF-8 never has. */
static bool cover(uint8_t *text, size_t length, const uint8_t *secret, size_t secret_length) {
    bool found = false;
    for (size_t at = 0; at + secret_length <= length; at++) {
        if (!sm_equal(text + at, secret, secret_length)) continue;
        memset(text + at, 0xff, secret_length);
        found = true;
    }
    return found;
}

static PyObject *uncovered(const uint8_t *text, size_t length) {
    PyObject *parts = PyUnicode_FromString("");
    for (size_t at = 0; parts != NULL && at < length;) {
        size_t end = at;
        bool covered = text[at] == 0xff;
        while (end < length && (text[end] == 0xff) == covered) end++;
        PyObject *part = covered ? PyUnicode_FromString(mask)
                                 : PyUnicode_DecodeUTF8((const char *)text + at, (Py_ssize_t)(end - at), "replace");
        PyObject *longer = part == NULL ? NULL : PyUnicode_Concat(parts, part);
        Py_XDECREF(part);
        Py_DECREF(parts);
        parts = longer;
        at = end;
    }
    return parts;
}

/* (text, secrets): the text with each secret covered, or None where there is none in it. */
PyObject *door_mask(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *given, *secrets;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "UO!", &given, &PyTuple_Type, &secrets)) return NULL;
    const char *text = PyUnicode_AsUTF8AndSize(given, &length);
    if (text == NULL) return NULL;
    uint8_t *copy = PyMem_Malloc((size_t)length + 1);
    if (copy == NULL) return PyErr_NoMemory();
    memcpy(copy, text, (size_t)length);
    bool found = false, good = true;
    for (Py_ssize_t i = 0; good && i < PyTuple_Size(secrets); i++) {
        Py_buffer view;
        good = source_get(PyTuple_GetItem(secrets, i), &view, "each secret");
        if (!good) break;
        found = cover(copy, (size_t)length, view.buf, (size_t)view.len) || found;
        PyBuffer_Release(&view);
    }
    PyObject *result = !good ? NULL : found ? uncovered(copy, (size_t)length) : Py_NewRef(Py_None);
    sm_wipe(copy, (size_t)length);
    PyMem_Free(copy);
    return result;
}
