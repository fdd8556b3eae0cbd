/* transfer.c: one file read, another written beside its place, and moved there when it is whole.
 *
 * Descriptors and the temporary name live in this function's frame: whatever
 * the work raised, and wherever a signal came, they are closed and removed.
 */
#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ending.h"
#include "file_type.h"
#include "files.h"

#define MOST_NAME 255 /* bytes of a name, on every Linux file system */
#define MOST_TRIES 64

struct transfer {
    PyObject *source, *target; /* paths as given, for messages */
    const char *name;          /* of the target, in its directory */
    char temporary[64];        /* "" : there is none */
    int reading, directory, writing;
    uint64_t generation; /* of the process that it began in: only that one moves or removes the file */
};

/* Opens with the GIL let go, as pipes wait for their other end; false: raised. */
static bool open_source(struct transfer *self, const char *path) {
    int error;
    do {
        Py_BEGIN_ALLOW_THREADS
        error = sm_os_file_open(&self->reading, path);
        Py_END_ALLOW_THREADS
    } while (error == EINTR && PyErr_CheckSignals() == 0);
    if (error != 0 && !PyErr_Occurred()) raise_os_error(error, self->source);
    return error == 0;
}

/* The directory of the target, and its name there. */
static bool open_directory(struct transfer *self, char *path) {
    char *slash = strrchr(path, '/');
    self->name = slash == NULL ? path : slash + 1;
    if (self->name[0] == 0 || strcmp(self->name, ".") == 0 || strcmp(self->name, "..") == 0) {
        raise_os_error(path[0] == 0 ? ENOENT : EISDIR, self->target);
        return false;
    }
    if (strlen(self->name) > MOST_NAME) {
        raise_os_error(ENAMETOOLONG, self->target);
        return false;
    }
    if (slash != NULL) *slash = 0;
    int error = sm_os_directory_open(&self->directory, slash == NULL ? "." : path[0] == 0 ? "/" : path);
    if (error != 0) raise_os_error(error, self->target);
    return error == 0;
}

static bool create(struct transfer *self) {
    int error = EEXIST;
    for (int tries = 0; error == EEXIST && tries < MOST_TRIES; tries++) {
        uint64_t random;
        if (sm_random((uint8_t *)&random, sizeof random) != SM_OK) {
            raise_status(SM_NO_RANDOM);
            return false;
        }
        snprintf(self->temporary, sizeof self->temporary, ".securemem.%016llx", (unsigned long long)random);
        error = sm_os_place_create(&self->writing, self->directory, self->temporary);
    }
    if (error == 0) return true;
    self->temporary[0] = 0;
    raise_os_error(error, self->target);
    return false;
}

static PyObject *do_work(struct transfer *self, PyObject *work, PyObject *const *args, Py_ssize_t count) {
    PyObject *reader = file_new(self->reading), *writer = file_new(self->writing), *result = NULL;
    PyObject *arguments = reader == NULL || writer == NULL ? NULL : PyTuple_New(count + 2);
    if (arguments != NULL) {
        PyTuple_SetItem(arguments, 0, Py_NewRef(reader));
        PyTuple_SetItem(arguments, 1, Py_NewRef(writer));
        for (Py_ssize_t i = 0; i < count; i++) PyTuple_SetItem(arguments, i + 2, Py_NewRef(args[i]));
        result = PyObject_Call(work, arguments, NULL);
        Py_DECREF(arguments);
    }
    if (reader != NULL) file_end(reader);
    if (writer != NULL) file_end(writer);
    Py_XDECREF(reader);
    Py_XDECREF(writer);
    return result;
}

/* Puts the whole file in its place; false: raised, and the place is as it was. */
static bool place(struct transfer *self) {
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = sm_os_file_sync(self->writing);
    if (error == 0) error = sm_os_place_rename(self->directory, self->temporary, self->name);
    Py_END_ALLOW_THREADS
    if (error == 0) self->temporary[0] = 0;
    else raise_os_error(error, self->target);
    return error == 0;
}

/* The file is there: what fails now is told, but undoes nothing. */
static bool sync_directory(struct transfer *self) {
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = sm_os_directory_sync(self->directory);
    Py_END_ALLOW_THREADS
    if (error != 0) raise_os_error(error, self->target);
    return error == 0;
}

static bool is_forked(const struct transfer *self) {
    return self->generation != sm_fork_generation();
}

static void end(struct transfer *self) {
    if (self->temporary[0] != 0 && !is_forked(self)) sm_os_place_unlink(self->directory, self->temporary);
    if (self->writing >= 0) sm_os_file_close(self->writing);
    if (self->directory >= 0) sm_os_file_close(self->directory);
    if (self->reading >= 0) sm_os_file_close(self->reading);
}

PyObject *files_transfer(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    PyObject *source = NULL, *target = NULL, *result = NULL;
    if (count < 3) {
        PyErr_SetString(PyExc_TypeError, "transfer() takes two paths, work, and its arguments");
        return NULL;
    }
    struct transfer self = {.source = args[0], .target = args[1], .reading = -1, .directory = -1, .writing = -1,
                            .generation = sm_fork_generation()};
    if (PyUnicode_FSConverter(args[0], &source) && PyUnicode_FSConverter(args[1], &target) &&
        open_source(&self, PyBytes_AsString(source)) && open_directory(&self, PyBytes_AsString(target)) &&
        create(&self)) {
        result = do_work(&self, args[2], args + 3, count - 3);
        if (result != NULL && is_forked(&self)) raise_status(SM_FORKED);
        if (result != NULL && (PyErr_Occurred() || !place(&self) || !sync_directory(&self))) Py_CLEAR(result);
    }
    if (result == NULL) ending_let_go();
    end(&self);
    Py_XDECREF(source);
    Py_XDECREF(target);
    return result;
}
