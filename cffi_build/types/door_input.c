/* door_input.c: files, descriptors, sockets and the environment, into slots. */
#include "door_types.h"

#include <string.h>

#include "os_doors.h"
#include "wipe.h"

/* Goes on after each signal, unless its handler raises; SM_DOOR_INTERRUPTED: it did. */
static enum sm_door read_on(struct sm_input *input, enum sm_door (*work)(struct sm_input *, size_t), size_t wanted) {
    for (;;) {
        enum sm_door door;
        Py_BEGIN_ALLOW_THREADS
        door = work(input, wanted);
        Py_END_ALLOW_THREADS
        if (door != SM_DOOR_INTERRUPTED || PyErr_CheckSignals() != 0) return door;
    }
}

static enum sm_door to_the_end(struct sm_input *input, size_t ignored) {
    (void)ignored;
    return sm_input_read_all(input);
}

/* One newline at the end, with the carriage return before it. */
static enum sm_door strip_newline(struct sm_growing *growing) {
    size_t length = growing->length;
    const uint8_t *data = NULL;
    uint8_t *open;
    if (length == 0) return SM_DOOR_OK;
    enum sm_status status = sm_secret_open(growing->slot, &open, false);
    if (status != SM_OK) {
        growing->status = status;
        return SM_DOOR_CORE;
    }
    data = open;
    if (data[length - 1] == '\n') {
        length--;
        if (length > 0 && data[length - 1] == '\r') length--;
    }
    sm_secret_close(growing->slot, false);
    enum sm_door door = sm_growing_truncate(growing, length);
    sm_growing_close(growing);
    return door == SM_DOOR_OK && length == 0 ? SM_DOOR_EMPTY : door;
}

static enum sm_door open_path(int *out, PyObject *path, bool allow_others) {
    struct sm_file facts;
    const char *text = PyBytes_AsString(path);
    if (sm_os_open_input(out, text) != 0) return SM_DOOR_SYSTEM;
    if (sm_os_file_look(&facts, *out) != 0) return SM_DOOR_SYSTEM;
    if (allow_others || !facts.is_regular) return SM_DOOR_OK;
    if (!facts.is_own) return SM_DOOR_NOT_OURS;
    return (facts.mode & 077) == 0 ? SM_DOOR_OK : SM_DOOR_SHARED;
}

bool door_read_whole(struct sm_growing *growing, PyObject *source, bool allow_others, int milliseconds) {
    struct sm_input input = {.bytes = *growing, .file = -1, .milliseconds = milliseconds};
    bool is_path = PyBytes_Check(source);
    input.is_opened = is_path;
    enum sm_door door = SM_DOOR_OK;
    if (is_path) door = open_path(&input.file, source, allow_others);
    else input.file = (int)PyLong_AsLong(source);
    if (PyErr_Occurred()) return false;
    if (door == SM_DOOR_OK) door = sm_input_start(&input);
    if (door == SM_DOOR_OK) door = read_on(&input, to_the_end, 0);
    if (is_path && input.file >= 0) (void)sm_os_close(input.file);
    if (!is_path && door == SM_DOOR_NO_WRITER) door = SM_DOOR_EMPTY; /* it was open: the writer came and went */
    *growing = input.bytes;
    if (door == SM_DOOR_OK) return true;
    sm_growing_drop(growing);
    door_scrub();
    if (door != SM_DOOR_INTERRUPTED) door_raise(door, growing, growing->limit);
    return false;
}

PyObject *door_read(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *source, *arena;
    Py_ssize_t limit;
    int strip, allow_others, milliseconds;
    if (!PyArg_ParseTuple(args, "OOnppi", &source, &arena, &limit, &strip, &allow_others, &milliseconds)) return NULL;
    struct sm_growing growing = {.arena = secret_arena_of(arena), .limit = (size_t)limit};
    if (growing.arena == NULL || !door_read_whole(&growing, source, allow_others, milliseconds)) return NULL;
    return door_finish(&growing, strip ? strip_newline(&growing) : SM_DOOR_OK, (size_t)limit);
}

PyObject *door_receive(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *arena;
    Py_ssize_t wanted;
    int file, milliseconds;
    if (!PyArg_ParseTuple(args, "iOni", &file, &arena, &wanted, &milliseconds)) return NULL;
    struct sm_input input = {.bytes = {.arena = secret_arena_of(arena), .limit = (size_t)wanted},
                             .file = file,
                             .milliseconds = milliseconds};
    if (input.bytes.arena == NULL) return NULL;
    enum sm_door door = sm_input_start(&input);
    if (door == SM_DOOR_OK) door = read_on(&input, sm_input_read_exactly, (size_t)wanted);
    size_t came = input.bytes.length;
    return door_finish(&input.bytes, door, came);
}

/* Python's own copy, made at its start: wiped where it lies, if nobody else has it. */
static bool scrub_python(PyObject *copies, PyObject *name) {
    PyObject *value = PyDict_GetItemWithError(copies, name);
    if (value == NULL) return !PyErr_Occurred();
    if (PyBytes_CheckExact(value) && Py_REFCNT(value) == 1 && PyBytes_Size(value) > 1) {
        sm_wipe(PyBytes_AsString(value), (size_t)PyBytes_Size(value));
    }
    return PyDict_DelItem(copies, name) == 0;
}

PyObject *door_read_env(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *name, *arena, *copies;
    Py_ssize_t limit;
    int scrub;
    if (!PyArg_ParseTuple(args, "SOnpO!", &name, &arena, &limit, &scrub, &PyDict_Type, &copies)) return NULL;
    struct sm_growing growing = {.arena = secret_arena_of(arena), .limit = (size_t)limit};
    if (growing.arena == NULL) return NULL;
    enum sm_door door = sm_environment_read(&growing, PyBytes_AsString(name));
    PyObject *made = door_finish(&growing, door, (size_t)limit);
    if (made == NULL || !scrub) return made;
    (void)sm_environment_scrub(PyBytes_AsString(name));
    if (scrub_python(copies, name)) return made;
    Py_DECREF(made);
    return NULL;
}
