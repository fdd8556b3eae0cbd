/* read_file.c: a file read whole, such as one of /proc: no file object is left where the caller is interrupted. */
#include "read_file.h"

#include <errno.h>
#include <stdlib.h>

#include "file_type.h"
#include "files.h"

#define FIRST_ROOM 65536 /* the memory map of a small program */

struct content {
    char *bytes;
    size_t length, room;
};

/* Makes room, and reads on; an errno value.  *got: 0 at the end. */
static int read_more(struct content *self, size_t *got, int file) {
    if (self->length == self->room) {
        size_t room = self->room == 0 ? FIRST_ROOM : 2 * self->room;
        char *bytes = realloc(self->bytes, room);
        if (bytes == NULL) return ENOMEM;
        self->bytes = bytes;
        self->room = room;
    }
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = sm_os_file_read(got, file, self->bytes + self->length, self->room - self->length);
    Py_END_ALLOW_THREADS
    if (error == 0) self->length += *got;
    return error;
}

static int read_all(struct content *self, int file) {
    size_t got = 1;
    int error = 0;
    while (got > 0 && error == 0) {
        error = read_more(self, &got, file);
        if (error == EINTR && PyErr_CheckSignals() == 0) error = 0;
    }
    return error;
}

PyObject *files_read(PyObject *module, PyObject *path) {
    (void)module;
    PyObject *name = NULL;
    if (!PyUnicode_FSConverter(path, &name)) return NULL;
    struct content content = {NULL, 0, 0};
    int file, error = sm_os_file_open(&file, PyBytes_AsString(name));
    Py_DECREF(name);
    if (error == 0) {
        error = read_all(&content, file);
        sm_os_file_close(file);
    }
    PyObject *result = NULL;
    if (error == 0) result = PyBytes_FromStringAndSize(content.bytes, (Py_ssize_t)content.length);
    else if (!PyErr_Occurred()) raise_os_error(error, path);
    free(content.bytes);
    return result;
}
