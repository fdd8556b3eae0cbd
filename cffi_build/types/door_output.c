/* door_output.c: from a slot to a descriptor. */
#include "door_types.h"

PyObject *door_write_fd(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *source;
    Py_buffer view;
    int file;
    size_t done = 0;
    enum sm_door door;
    if (!PyArg_ParseTuple(args, "iO", &file, &source) || !source_get(source, &view, "the secret")) return NULL;
    do {
        Py_BEGIN_ALLOW_THREADS
        door = sm_output_write(&done, file, view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS
    } while (door == SM_DOOR_INTERRUPTED && PyErr_CheckSignals() == 0);
    size_t length = (size_t)view.len;
    PyBuffer_Release(&view);
    if (door == SM_DOOR_INTERRUPTED) return NULL;
    return door == SM_DOOR_OK ? PyLong_FromSize_t(length) : door_raise(door, NULL, done);
}
