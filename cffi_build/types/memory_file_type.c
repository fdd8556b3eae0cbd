/* memory_file_type.c: what as_file() gives: a file in memory that is wiped when
 * it is closed, or dropped. */
#include "door_types.h"

typedef struct {
    PyObject_HEAD
    struct sm_memory_file file;
} MemoryFile;

PyTypeObject *MemoryFile_Type;

PyObject *door_memory_file(PyObject *module, PyObject *secret) {
    (void)module;
    Py_buffer view;
    if (!source_get(secret, &view, "the secret")) return NULL;
    MemoryFile *self = view.len == 0 ? NULL : PyObject_New(MemoryFile, MemoryFile_Type);
    enum sm_door door = view.len == 0 ? SM_DOOR_EMPTY : SM_DOOR_OK;
    if (self != NULL) door = sm_memory_file_make(&self->file, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    door_scrub();
    if (self != NULL && door == SM_DOOR_OK) return (PyObject *)self;
    if (door != SM_DOOR_OK) {
        struct sm_growing status = {.status = self == NULL ? SM_OK : self->file.status};
        door_raise(door, &status, 0);
    }
    Py_XDECREF((PyObject *)self);
    return NULL;
}

static void dealloc(MemoryFile *self) {
    sm_memory_file_end(&self->file);
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *file_close(MemoryFile *self, PyObject *ignored) {
    (void)ignored;
    sm_memory_file_end(&self->file);
    Py_RETURN_NONE;
}

static PyObject *file_number(MemoryFile *self, PyObject *ignored) {
    (void)ignored;
    return self->file.file < 0 ? raise_status(SM_WIPED) : PyLong_FromLong(self->file.file);
}

static PyObject *file_path(MemoryFile *self, PyObject *ignored) {
    (void)ignored;
    return self->file.file < 0 ? raise_status(SM_WIPED) : PyUnicode_FromFormat("/proc/self/fd/%d", self->file.file);
}

static PyObject *enter(MemoryFile *self, PyObject *ignored) {
    (void)ignored;
    return self->file.file < 0 ? raise_status(SM_WIPED) : Py_NewRef((PyObject *)self);
}

static PyObject *represent(MemoryFile *self) {
    return PyUnicode_FromFormat(self->file.file < 0 ? "<MemoryFile: closed>" : "<MemoryFile: descriptor %d>", self->file.file);
}

static PyMethodDef methods[] = {
    {"fileno", (PyCFunction)file_number, METH_NOARGS,
     "fileno($self)\n--\n\nThe descriptor, closed over exec; subprocess's pass_fds hands it on. WipedError once closed."},
    {"close", (PyCFunction)file_close, METH_NOARGS, "close($self)\n--\n\nWipes the file, also for those who have it open, and closes it."},
    {"__fspath__", (PyCFunction)file_path, METH_NOARGS,
     "__fspath__($self)\n--\n\nThe path by which this process, or a child that has the descriptor, opens it."},
    {"__enter__", (PyCFunction)enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)file_close, METH_VARARGS, "Wipes and closes the file."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "A secret as a file that is only in memory, locked and sealed; wiped when it is closed or dropped."},
    {Py_tp_dealloc, dealloc},
    {Py_tp_repr, represent},
    {Py_tp_methods, methods},
    {0, NULL},
};

int memory_file_type_make(void) {
    if (MemoryFile_Type != NULL) return 0;
    PyType_Spec specification = {.name = "securemem.doors.MemoryFile",
                                 .basicsize = sizeof(MemoryFile),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 .slots = slots};
    MemoryFile_Type = (PyTypeObject *)PyType_FromSpec(&specification);
    return MemoryFile_Type == NULL ? -1 : 0;
}
