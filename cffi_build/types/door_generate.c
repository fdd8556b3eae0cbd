/* door_generate.c: passwords and passphrases for Python. */
#include "door_types.h"

PyObject *door_generate_password(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *alphabet, *arena;
    Py_ssize_t count;
    if (!PyArg_ParseTuple(args, "nSO", &count, &alphabet, &arena)) return NULL;
    struct sm_growing scratch = {.arena = secret_arena_of(arena)};
    if (scratch.arena == NULL) return NULL;
    uint8_t *to;
    Secret *made = secret_new_open(&to, scratch.arena, count);
    if (made == NULL) return NULL;
    enum sm_door door = sm_generate_password(to, (size_t)count, &scratch, (const uint8_t *)PyBytes_AsString(alphabet),
                                             (size_t)PyBytes_Size(alphabet));
    sm_secret_close(made->slot, true);
    door_scrub();
    if (door == SM_DOOR_OK) return (PyObject *)made;
    Py_DECREF((PyObject *)made);
    return door_raise(door, &scratch, 0);
}

PyObject *door_generate_passphrase(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *table, *separator, *arena;
    Py_ssize_t count, width;
    if (!PyArg_ParseTuple(args, "nSnSO", &count, &table, &width, &separator, &arena)) return NULL;
    struct sm_growing out = {.arena = secret_arena_of(arena), .limit = SIZE_MAX / 4}, scratch = {.arena = out.arena};
    if (out.arena == NULL) return NULL;
    enum sm_door door = sm_generate_passphrase(
        &out, &scratch, (size_t)count, (const uint8_t *)PyBytes_AsString(table), (size_t)(PyBytes_Size(table) / width),
        (size_t)width, (const uint8_t *)PyBytes_AsString(separator), (size_t)PyBytes_Size(separator));
    if (out.status == SM_OK) out.status = scratch.status;
    return door_finish(&out, door, 0);
}
