/* ground.c: what all the types stand on: the hooks into Python, the types' own
 * addresses, and the making and opening of a secret. */
#include "kept.h"
#include "types.h"

PyTypeObject *Secret_Type;
PyTypeObject *Reveal_Type;
PyTypeObject *ArenaHandle_Type;

static PyObject *raise_hook;
static PyObject *warn_hook;
static PyObject *protection_hook;
static PyObject *text_warning;

PyObject *raise_status(enum sm_status status) {
    PyObject *result = PyObject_CallFunction(raise_hook, "i", (int)status);
    if (result != NULL) {
        Py_DECREF(result);
        PyErr_Format(PyExc_SystemError, "no exception for status %d", (int)status);
    }
    return NULL;
}

int warn_unlocked(void) {
    PyObject *result = PyObject_CallFunction(warn_hook, NULL);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int warn_text(const char *message) {
    return PyErr_WarnEx(text_warning, message, 1);
}

PyObject *read_protection(const struct sm_location *location) {
    return PyObject_CallFunction(protection_hook, "KKKKiOO", (unsigned long long)location->pages,
                                 (unsigned long long)location->pages_length,
                                 (unsigned long long)location->guard_before,
                                 (unsigned long long)location->guard_after, location->backend,
                                 location->stuck ? Py_True : Py_False, location->inherited ? Py_True : Py_False);
}

PyObject *install_hooks(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *raise, *warn, *protection, *warning;
    if (!PyArg_ParseTuple(args, "OOOO", &raise, &warn, &protection, &warning)) return NULL;
    Py_XDECREF(raise_hook);
    Py_XDECREF(warn_hook);
    Py_XDECREF(protection_hook);
    Py_XDECREF(text_warning);
    raise_hook = Py_NewRef(raise);
    warn_hook = Py_NewRef(warn);
    protection_hook = Py_NewRef(protection);
    text_warning = Py_NewRef(warning);
    Py_RETURN_NONE;
}

/* The object first: once a slot is taken, nothing else of Python's may fail. */
static Secret *make(sm_arena *arena, Py_ssize_t length, uint8_t **data) {
    Secret *self = PyObject_New(Secret, Secret_Type);
    if (self == NULL) return NULL;
    self->slot = NULL;
    self->length = length;
    self->weak_references = NULL;
    self->kept = NULL;
    enum sm_status status = data == NULL ? sm_secret_take(&self->slot, arena, (size_t)length)
                                         : sm_secret_take_open(&self->slot, data, arena, (size_t)length);
    if (status != SM_OK) {
        Py_DECREF(self);
        return (Secret *)raise_status(status);
    }
    if (sm_arena_is_locked(arena) || warn_unlocked() == 0) return self;
    if (data != NULL) sm_secret_close(self->slot, true);
    Py_DECREF(self);
    return NULL;
}

Secret *secret_new(sm_arena *arena, Py_ssize_t length) {
    return make(arena, length, NULL);
}

Secret *secret_new_open(uint8_t **data, sm_arena *arena, Py_ssize_t length) {
    return make(arena, length, data);
}

Secret *secret_adopt(sm_slot *slot, Py_ssize_t length) {
    Secret *self = PyObject_New(Secret, Secret_Type);
    if (self == NULL) {
        sm_secret_return(slot);
        return NULL;
    }
    self->slot = slot;
    self->length = length;
    self->weak_references = NULL;
    self->kept = NULL;
    if (sm_arena_is_locked(sm_secret_arena(slot)) || warn_unlocked() == 0) return self;
    Py_DECREF(self);
    return NULL;
}

enum sm_status secret_state(Secret *self) {
    return self->slot == NULL ? SM_WIPED : sm_secret_state(self->slot);
}

uint8_t *secret_open(Secret *self, bool writable) {
    if (writable) kept_note_writing(self);
    uint8_t *data = NULL;
    enum sm_status status = self->slot == NULL ? SM_WIPED : sm_secret_open(self->slot, &data, writable);
    if (status == SM_OK) return data;
    raise_status(status);
    return NULL;
}

void *view_note(bool writable) {
    return (void *)((uintptr_t)sm_thread() << 1 | writable); /* of 32 bits on a machine of 64 */
}

void view_end(sm_slot *slot, void *note) {
    sm_secret_close_of(slot, (uintptr_t)note & 1, (uint32_t)((uintptr_t)note >> 1));
}
