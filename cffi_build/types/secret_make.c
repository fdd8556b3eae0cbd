/* secret_make.c: how a SecureBytes comes to be.
 *
 * Arguments are checked before memory is taken, and a source is wiped only
 * when its bytes have arrived.
 */
#include <string.h>

#include "types.h"
#include "wipe.h"

sm_arena *secret_arena_of(PyObject *argument) {
    sm_arena *arena = NULL;
    if (argument == NULL || argument == Py_None) {
        enum sm_status status = sm_arena_default(&arena);
        if (status != SM_OK) raise_status(status);
        return arena;
    }
    if (!PyObject_TypeCheck(argument, ArenaHandle_Type)) {
        PyErr_SetString(PyExc_TypeError, "arena must be a securemem.Arena, or None for the default arena");
        return NULL;
    }
    arena = ((ArenaHandle *)argument)->arena;
    if (arena == NULL) PyErr_SetString(PyExc_TypeError, "this Arena was never initialised: call Arena.__init__");
    return arena;
}

/* Reads (argument, *, arena=None); false: raised. */
static bool parse(PyObject **argument, sm_arena **arena, PyObject *const *args, Py_ssize_t count, PyObject *names,
                  const char *what) {
    PyObject *chosen = NULL;
    Py_ssize_t named = names == NULL ? 0 : PyTuple_Size(names);
    *argument = count == 1 ? args[0] : NULL;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        PyObject **target = NULL;
        if (PyUnicode_CompareWithASCIIString(name, "arena") == 0) target = &chosen;
        else if (PyUnicode_CompareWithASCIIString(name, what) == 0 && *argument == NULL) target = argument;
        if (target == NULL) {
            PyErr_Format(PyExc_TypeError, "unexpected argument %R: (%s, *, arena=None) is taken", name, what);
            return false;
        }
        *target = args[count + i];
    }
    if (count > 1 || *argument == NULL) {
        PyErr_Format(PyExc_TypeError, "one argument (%s) is taken, and arena by keyword", what);
        return false;
    }
    *arena = secret_arena_of(chosen);
    return *arena != NULL;
}

/* -1: raised.  Sizes that no integer of the machine holds are too large. */
static Py_ssize_t size_of(PyObject *argument) {
    if (!PyIndex_Check(argument) || PyBool_Check(argument)) {
        PyErr_Format(PyExc_TypeError, "the size must be an integer, a number of bytes");
        return -1;
    }
    Py_ssize_t size = PyNumber_AsSsize_t(argument, NULL); /* clipped, not raised */
    if (size == -1 && PyErr_Occurred()) return -1;
    if (size > 0) return size;
    raise_status(SM_BAD_SIZE);
    return -1;
}

PyObject *secret_zeros(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    (void)type;
    PyObject *argument;
    sm_arena *arena;
    if (!parse(&argument, &arena, args, count, names, "size")) return NULL;
    Py_ssize_t size = size_of(argument);
    return size < 0 ? NULL : (PyObject *)secret_new(arena, size);
}

PyObject *secret_random(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    (void)type;
    PyObject *argument;
    sm_arena *arena;
    uint8_t *data;
    if (!parse(&argument, &arena, args, count, names, "size")) return NULL;
    Py_ssize_t size = size_of(argument);
    Secret *self = size < 0 ? NULL : secret_new_open(&data, arena, size);
    if (self == NULL) return NULL;
    enum sm_status status = sm_random(data, (size_t)size);
    sm_secret_close(self->slot, true);
    if (status == SM_OK) return (PyObject *)self;
    raise_status(status);
    Py_DECREF(self);
    return NULL;
}

static Secret *from_view(sm_arena *arena, const Py_buffer *view) {
    if (view->len == 0) return (Secret *)raise_status(SM_BAD_SIZE);
    uint8_t *data;
    Secret *self = secret_new_open(&data, arena, view->len);
    if (self == NULL) return NULL;
    memcpy(data, view->buf, (size_t)view->len);
    sm_clear_registers(); /* memcpy leaves bytes there, and the dynamic linker's lazy binding spills them to the stack */
    sm_secret_close(self->slot, true);
    return self;
}

bool secret_get_source(PyObject *source, Py_buffer *view, bool writable) {
    if (!PyObject_CheckBuffer(source)) {
        PyErr_Format(PyExc_TypeError,
                     "a secret is made from a bytes-like object, not from %R: encode text first, into a bytearray if "
                     "it shall be wiped",
                     (PyObject *)Py_TYPE(source));
        return false;
    }
    if (PyObject_GetBuffer(source, view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) == 0) return true;
    if (PyErr_ExceptionMatches(PyExc_BufferError)) {
        PyErr_Clear();
        raise_status(SM_BAD_SOURCE);
    }
    return false;
}

PyObject *secret_copy_of(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    (void)type;
    PyObject *source;
    sm_arena *arena;
    Py_buffer view;
    if (!parse(&source, &arena, args, count, names, "source")) return NULL;
    if (!secret_get_source(source, &view, false)) return NULL;
    Secret *self = from_view(arena, &view);
    PyBuffer_Release(&view);
    return (PyObject *)self;
}

PyObject *secret_take(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    (void)type;
    PyObject *source;
    sm_arena *arena;
    Py_buffer view;
    if (!parse(&source, &arena, args, count, names, "source")) return NULL;
    if (!secret_get_source(source, &view, true)) return NULL;
    Secret *self = from_view(arena, &view);
    /* A secret as the source must not live on as zeros: it is doomed by this very view, and wiped with the last one. */
    if (self != NULL && Py_TYPE(source) == Secret_Type) (void)sm_secret_wipe(((Secret *)source)->slot);
    else if (self != NULL) sm_wipe(view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return (PyObject *)self;
}

static void copy_slice(uint8_t *to, const uint8_t *from, Py_ssize_t start, Py_ssize_t step, Py_ssize_t length) {
    if (step == 1) {
        memcpy(to, from + start, (size_t)length);
        return;
    }
    for (Py_ssize_t i = 0; i < length; i++) to[i] = from[start + i * step];
}

PyObject *secret_subscript(PyObject *object, PyObject *key) {
    Secret *self = (Secret *)object;
    if (!PySlice_Check(key)) {
        PyErr_SetString(PyExc_TypeError,
                        "a SecureBytes takes slices, which are SecureBytes, and no index: a single byte would be an "
                        "int in ordinary memory; use reveal()");
        return NULL;
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) != 0) return NULL;
    Py_ssize_t length = PySlice_AdjustIndices(self->length, &start, &stop, step);
    const uint8_t *from = secret_open(self, false);
    if (from == NULL) return NULL;
    uint8_t *to;
    Secret *result = NULL;
    if (length > 0) result = secret_new_open(&to, sm_secret_arena(self->slot), length);
    else raise_status(SM_BAD_SIZE);
    if (result != NULL) {
        copy_slice(to, from, start, step, length);
        sm_clear_registers(); /* as in from_view */
        sm_secret_close(result->slot, true);
    }
    sm_secret_close(self->slot, false);
    return (PyObject *)result;
}
