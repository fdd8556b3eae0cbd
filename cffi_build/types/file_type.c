/* file_type.c: an open file as streams read and write it: straight between the kernel and the given buffer.
 *
 * A signal that interrupts a read or write is handled, and the call made again.
 */
#include "file_type.h"

#include <errno.h>

#include "files.h"

typedef struct {
    PyObject_HEAD
    int descriptor; /* -1 once its transfer is over */
} File;

PyTypeObject *File_Type;

PyObject *file_new(int descriptor) {
    File *self = PyObject_New(File, File_Type);
    if (self != NULL) self->descriptor = descriptor;
    return (PyObject *)self;
}

void file_end(PyObject *file) {
    ((File *)file)->descriptor = -1;
}

PyObject *raise_os_error(int error, PyObject *path) {
    errno = error;
    return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
}

static void dealloc(File *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_Free(self);
    Py_DECREF(type);
}

/* Whether the call is to be made again: a signal came, and its handler raised nothing. */
static bool again(int error) {
    return error == EINTR && PyErr_CheckSignals() == 0;
}

static PyObject *outcome(int error, size_t count) {
    if (error == 0) return PyLong_FromSize_t(count);
    if (!PyErr_Occurred()) raise_os_error(error, NULL);
    return NULL;
}

static bool is_over(File *self) {
    if (self->descriptor < 0) PyErr_SetString(PyExc_ValueError, "the file is closed: its transfer is over");
    return self->descriptor < 0;
}

static PyObject *read_into(File *self, PyObject *target) {
    Py_buffer buffer;
    if (is_over(self) || PyObject_GetBuffer(target, &buffer, PyBUF_WRITABLE) != 0) return NULL;
    size_t count = 0;
    int error;
    do {
        Py_BEGIN_ALLOW_THREADS
        error = sm_os_file_read(&count, self->descriptor, buffer.buf, (size_t)buffer.len);
        Py_END_ALLOW_THREADS
    } while (again(error));
    PyBuffer_Release(&buffer);
    return outcome(error, count);
}

static PyObject *write_from(File *self, PyObject *source) {
    Py_buffer buffer;
    if (is_over(self) || PyObject_GetBuffer(source, &buffer, PyBUF_SIMPLE) != 0) return NULL;
    size_t count = 0;
    int error;
    do {
        Py_BEGIN_ALLOW_THREADS
        error = sm_os_file_write(&count, self->descriptor, buffer.buf, (size_t)buffer.len);
        Py_END_ALLOW_THREADS
    } while (again(error));
    PyBuffer_Release(&buffer);
    return outcome(error, count);
}

static PyMethodDef methods[] = {
    {"readinto", (PyCFunction)read_into, METH_O, "readinto($self, buffer, /)\n--\n\nAs of a raw file."},
    {"write", (PyCFunction)write_from, METH_O, "write($self, data, /)\n--\n\nAs of a raw file."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "An open file of a transfer, read and written without a buffer of its own."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyTypeObject *file_type_make(void) {
    PyType_Spec specification = {.name = "securemem._types.File",
                                 .basicsize = sizeof(File),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
