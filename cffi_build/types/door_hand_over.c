/* door_hand_over.c: secrets to and from other processes, for Python. */
#include "door_types.h"

PyObject *door_hand_over(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *secret;
    Py_buffer view;
    struct sm_hand_over state = {.socket = -1};
    if (!PyArg_ParseTuple(args, "iOi", &state.socket, &secret, &state.milliseconds)) return NULL;
    if (!source_get(secret, &view, "the secret")) return NULL;
    enum sm_door door = view.len == 0 ? SM_DOOR_EMPTY : sm_memory_file_make(&state.file, view.buf, (size_t)view.len);
    struct sm_growing status = {.status = state.file.status};
    PyBuffer_Release(&view);
    bool made = door == SM_DOOR_OK;
    while (door == SM_DOOR_OK) {
        Py_BEGIN_ALLOW_THREADS
        door = sm_hand_over(&state);
        Py_END_ALLOW_THREADS
        if (door == SM_DOOR_OK || (door == SM_DOOR_INTERRUPTED && PyErr_CheckSignals() != 0)) break;
        if (door == SM_DOOR_INTERRUPTED) door = SM_DOOR_OK;
    }
    if (made) sm_memory_file_end(&state.file);
    door_scrub();
    if (door == SM_DOOR_OK) Py_RETURN_NONE;
    return door == SM_DOOR_INTERRUPTED ? NULL : door_raise(door, &status, 0);
}

PyObject *door_take_over(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *arena;
    Py_ssize_t limit;
    struct sm_take_over state = {.socket = -1};
    if (!PyArg_ParseTuple(args, "iOni", &state.socket, &arena, &limit, &state.milliseconds)) return NULL;
    state.bytes.arena = secret_arena_of(arena);
    state.bytes.limit = (size_t)limit;
    if (state.bytes.arena == NULL) return NULL;
    enum sm_door door = SM_DOOR_INTERRUPTED;
    while (door == SM_DOOR_INTERRUPTED) {
        Py_BEGIN_ALLOW_THREADS
        door = sm_take_over(&state);
        Py_END_ALLOW_THREADS
        if (door == SM_DOOR_INTERRUPTED && PyErr_CheckSignals() != 0) break;
    }
    return door_finish(&state.bytes, door, (size_t)limit);
}
