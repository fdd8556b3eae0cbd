/* door_ground.c: what all doors stand on: their errors, and the making of a
 * secret from what came in. */
#include "door_types.h"

#include "wipe.h"

/* Deeper than any function of doors/ goes. */
#define DEPTH 8192

static PyObject *raise_hook;

PyObject *door_install(PyObject *module, PyObject *hook) {
    (void)module;
    Py_XDECREF(raise_hook);
    raise_hook = Py_NewRef(hook);
    Py_RETURN_NONE;
}

PyObject *door_raise(enum sm_door door, const struct sm_growing *growing, size_t detail) {
    if (door == SM_DOOR_CORE) return raise_status(growing->status);
    (void)sm_fail(SM_REFUSED); /* takes the platform's last failed call down, for the exception */
    const struct sm_failure *failure = sm_failure_get();
    PyObject *result = PyObject_CallFunction(raise_hook, "iizn", (int)door, failure->error, failure->call, (Py_ssize_t)detail);
    if (result != NULL) {
        Py_DECREF(result);
        PyErr_Format(PyExc_SystemError, "no exception for the answer %d of a door", (int)door);
    }
    return NULL;
}

PyObject *door_finish(struct sm_growing *growing, enum sm_door door, size_t detail) {
    sm_slot *slot = NULL;
    Py_ssize_t length = (Py_ssize_t)growing->length;
    if (door == SM_DOOR_OK) door = sm_growing_finish(growing, &slot);
    sm_growing_drop(growing);
    door_scrub();
    if (door == SM_DOOR_OK) return (PyObject *)secret_adopt(slot, length);
    return door == SM_DOOR_INTERRUPTED ? NULL : door_raise(door, growing, detail);
}

sm_arena *door_arena(PyObject *argument, PyObject *source) {
    if (argument == Py_None && source != NULL && Py_TYPE(source) == Secret_Type && ((Secret *)source)->slot != NULL) {
        return sm_secret_arena(((Secret *)source)->slot);
    }
    return secret_arena_of(argument);
}

void door_scrub(void) {
    sm_scrub(DEPTH);
}
