/* door_json.c: one string of a JSON file for Python. */
#include "door_types.h"

#define MOST_TOKENS 64

static bool take_tokens(struct sm_token *tokens, PyObject *parts) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(parts); i++) {
        char *data;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(parts, i), &data, &length) != 0) return false;
        tokens[i] = (struct sm_token){(const uint8_t *)data, (size_t)length};
    }
    return true;
}

/* The string as a secret, from the text that lies open at `text`. */
static PyObject *decode(sm_arena *arena, const uint8_t *text, size_t length, const struct sm_token *tokens, size_t count) {
    const uint8_t *found = NULL;
    size_t found_length = 0, where = 0;
    enum sm_door door = sm_json_find(&found, &found_length, &where, text, length, tokens, count);
    if (door != SM_DOOR_OK) return door_raise(door, NULL, where);
    uint8_t *to;
    Secret *made = secret_new_open(&to, arena, (Py_ssize_t)found_length);
    if (made == NULL) return NULL;
    sm_json_decode(to, found);
    sm_secret_close(made->slot, true);
    return (PyObject *)made;
}

PyObject *door_read_json(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *source, *parts, *arena, *result = NULL;
    Py_ssize_t limit;
    int allow_others;
    struct sm_token tokens[MOST_TOKENS];
    if (!PyArg_ParseTuple(args, "OO!Onp", &source, &PyTuple_Type, &parts, &arena, &limit, &allow_others)) return NULL;
    struct sm_growing growing = {.arena = secret_arena_of(arena), .limit = (size_t)limit};
    if (growing.arena == NULL || PyTuple_Size(parts) > MOST_TOKENS || !take_tokens(tokens, parts)) {
        if (!PyErr_Occurred()) door_raise(SM_DOOR_DEEP_JSON, NULL, 0);
        return NULL;
    }
    if (!door_read_whole(&growing, source, allow_others, -1)) return NULL;
    uint8_t *text;
    enum sm_status status = sm_secret_open(growing.slot, &text, false);
    if (status == SM_OK) {
        result = decode(growing.arena, text, growing.length, tokens, (size_t)PyTuple_Size(parts));
        sm_secret_close(growing.slot, false);
    } else {
        raise_status(status);
    }
    sm_growing_drop(&growing);
    door_scrub();
    return result;
}
