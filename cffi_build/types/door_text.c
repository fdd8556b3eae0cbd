/* door_text.c: cutting and joining secrets, from slot to slot. */
#include "door_types.h"

#include <string.h>

/* A part of the source as a secret; detail counts the parts for the message. */
static PyObject *part_of(sm_arena *arena, const uint8_t *from, size_t length, size_t detail) {
    if (length == 0) return door_raise(SM_DOOR_EMPTY, NULL, detail);
    uint8_t *to;
    Secret *made = secret_new_open(&to, arena, (Py_ssize_t)length);
    if (made == NULL) return NULL;
    memcpy(to, from, length);
    sm_secret_close(made->slot, true);
    return (PyObject *)made;
}

static bool append_part(PyObject *list, sm_arena *arena, const uint8_t *from, size_t length) {
    PyObject *part = part_of(arena, from, length, (size_t)PyList_Size(list) + 1);
    int failed = part == NULL ? -1 : PyList_Append(list, part);
    Py_XDECREF(part);
    return failed == 0;
}

static const uint8_t *find(const uint8_t *from, size_t length, const uint8_t *what, size_t what_length) {
    for (; length >= what_length; from++, length--) {
        if (memcmp(from, what, what_length) == 0) return from;
    }
    return NULL;
}

static PyObject *split(sm_arena *arena, const uint8_t *from, size_t length, const Py_buffer *separator, Py_ssize_t most) {
    size_t width = (size_t)separator->len;
    PyObject *list = PyList_New(0);
    bool good = list != NULL;
    for (const uint8_t *next; good && (most < 0 || PyList_Size(list) < most); from = next + width) {
        next = find(from, length, separator->buf, width);
        if (next == NULL) break;
        good = append_part(list, arena, from, (size_t)(next - from));
        length -= (size_t)(next - from) + width;
    }
    if (good) good = append_part(list, arena, from, length);
    if (good) return list;
    Py_XDECREF(list);
    return NULL;
}

PyObject *door_split(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *source, *arena, *result = NULL;
    Py_buffer separator, view;
    Py_ssize_t most;
    if (!PyArg_ParseTuple(args, "Oy*nO", &source, &separator, &most, &arena)) return NULL;
    sm_arena *chosen = door_arena(arena, source);
    if (chosen != NULL && source_get(source, &view, "the secret")) {
        result = split(chosen, view.buf, (size_t)view.len, &separator, most);
        PyBuffer_Release(&view);
    }
    PyBuffer_Release(&separator);
    door_scrub();
    return result;
}

PyObject *door_strip(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *source, *arena, *result = NULL;
    Py_buffer characters, view;
    if (!PyArg_ParseTuple(args, "Oy*O", &source, &characters, &arena)) return NULL;
    sm_arena *chosen = door_arena(arena, source);
    if (chosen != NULL && source_get(source, &view, "the secret")) {
        const uint8_t *start = view.buf, *end = start + view.len;
        size_t count = (size_t)characters.len;
        while (start < end && count > 0 && memchr(characters.buf, *start, count) != NULL) start++;
        while (start < end && count > 0 && memchr(characters.buf, end[-1], count) != NULL) end--;
        result = part_of(chosen, start, (size_t)(end - start), 0);
        PyBuffer_Release(&view);
    }
    PyBuffer_Release(&characters);
    door_scrub();
    return result;
}

PyObject *door_concat(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *parts, *arena;
    if (!PyArg_ParseTuple(args, "O!O", &PyTuple_Type, &parts, &arena)) return NULL;
    Py_ssize_t count = PyTuple_Size(parts);
    struct sm_growing growing = {.arena = door_arena(arena, count > 0 ? PyTuple_GetItem(parts, 0) : NULL), .limit = SIZE_MAX / 4};
    if (growing.arena == NULL) return NULL;
    enum sm_door door = SM_DOOR_OK;
    for (Py_ssize_t i = 0; i < count && door == SM_DOOR_OK; i++) {
        Py_buffer view;
        if (!source_get(PyTuple_GetItem(parts, i), &view, "each part")) {
            sm_growing_drop(&growing);
            door_scrub();
            return NULL;
        }
        door = sm_growing_append(&growing, view.buf, (size_t)view.len);
        PyBuffer_Release(&view);
    }
    return door_finish(&growing, door, 0);
}
