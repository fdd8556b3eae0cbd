/* door_prompt.c: prompting for Python. */
#include "door_types.h"

#include "wipe.h"

/* Signals' handlers run between characters; SM_DOOR_INTERRUPTED: one raised. */
static enum sm_door ask(struct sm_prompt *prompt) {
    enum sm_door door;
    prompt->file = -1;
    Py_BEGIN_ALLOW_THREADS
    door = sm_prompt_begin(prompt);
    Py_END_ALLOW_THREADS
    while (door == SM_DOOR_OK) {
        Py_BEGIN_ALLOW_THREADS
        door = sm_prompt_read(prompt);
        Py_END_ALLOW_THREADS
        if (door == SM_DOOR_OK) break;
        if (door != SM_DOOR_INTERRUPTED || PyErr_CheckSignals() != 0) break;
        door = SM_DOOR_OK;
    }
    sm_prompt_end(prompt);
    return door;
}

static enum sm_door compare(struct sm_growing *first, const struct sm_growing *second) {
    bool equal = false;
    if (first->length != second->length) return SM_DOOR_DIFFERENT;
    uint8_t *a, *b;
    enum sm_status status = sm_secret_open(first->slot, &a, false);
    if (status == SM_OK) {
        status = sm_secret_open(second->slot, &b, false);
        if (status == SM_OK) {
            equal = sm_equal(a, b, first->length);
            sm_secret_close(second->slot, false);
        }
        sm_secret_close(first->slot, false);
    }
    first->status = status;
    return status != SM_OK ? SM_DOOR_CORE : equal ? SM_DOOR_OK : SM_DOOR_DIFFERENT;
}

PyObject *door_prompt(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *text, *again, *arena;
    Py_ssize_t limit;
    if (!PyArg_ParseTuple(args, "SOOn", &text, &again, &arena, &limit)) return NULL;
    struct sm_growing empty = {.arena = secret_arena_of(arena), .limit = (size_t)limit};
    if (empty.arena == NULL) return NULL;
    struct sm_prompt prompt = {.bytes = empty,
                               .text = (const uint8_t *)PyBytes_AsString(text),
                               .text_length = (size_t)PyBytes_Size(text)};
    enum sm_door door = ask(&prompt);
    if (door == SM_DOOR_OK && PyBytes_Check(again)) {
        struct sm_prompt second = {.bytes = empty,
                                   .text = (const uint8_t *)PyBytes_AsString(again),
                                   .text_length = (size_t)PyBytes_Size(again)};
        door = ask(&second);
        if (door == SM_DOOR_OK) door = compare(&prompt.bytes, &second.bytes);
        else if (door == SM_DOOR_CORE) prompt.bytes.status = second.bytes.status;
        sm_growing_drop(&second.bytes);
    }
    return door_finish(&prompt.bytes, door, (size_t)limit);
}
