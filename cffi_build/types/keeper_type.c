/* keeper_type.c: what everybody holds who has a store: the store itself, its handles and sessions.
 *
 * Keys and store refer to each other, and such circles wait for the collector.
 * What is in clear must not: when the last of its holders lets go of the
 * keeper, the gate is shut and its cells are emptied.
 */
#include "gate.h"

typedef struct {
    PyObject_HEAD
    Gate *gate;
} Keeper;

PyTypeObject *Keeper_Type;

static PyObject *make(PyTypeObject *type, PyObject *args, PyObject *names) {
    PyObject *gate;
    if (names != NULL && PyDict_Size(names) > 0) {
        PyErr_SetString(PyExc_TypeError, "Keeper() takes a Gate, and nothing by name");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!", Gate_Type, &gate)) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Keeper *self = (Keeper *)allocate(type, 0);
    if (self != NULL) self->gate = (Gate *)Py_NewRef(gate);
    return (PyObject *)self;
}

/* Waits for nobody: a use that goes on holds a handle, or is one of a callback that wipes when it leaves. */
static void dealloc(Keeper *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->gate != NULL) {
        gate_abandon(self->gate);
        Py_CLEAR(self->gate);
    }
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "Keeper(gate): shuts the gate when the last who holds it lets it go."},
    {Py_tp_new, make},
    {Py_tp_dealloc, dealloc},
    {0, NULL},
};

PyTypeObject *keeper_type_make(void) {
    PyType_Spec specification = {.name = "securemem._types.Keeper",
                                 .basicsize = sizeof(Keeper),
                                 .flags = Py_TPFLAGS_DEFAULT,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
