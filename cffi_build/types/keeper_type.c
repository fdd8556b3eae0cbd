/* keeper_type.c: what everybody holds who has a store: the store itself, its handles and sessions.
 *
 * Keys and store refer to each other, and such circles wait for the collector.
 * What is in clear must not: when the last of its holders lets go of the
 * keeper, the gate is shut, its cells are emptied, and what a store in a file
 * has open is closed.
 */
#include "gate.h"
#include "last_calls.h"

typedef struct {
    PyObject_HEAD
    Gate *gate;
    PyObject *calls; /* a list, see last_calls.h; or NULL */
} Keeper;

PyTypeObject *Keeper_Type;

static PyObject *make(PyTypeObject *type, PyObject *args, PyObject *names) {
    PyObject *gate, *calls = NULL;
    if (names != NULL && PyDict_Size(names) > 0) {
        PyErr_SetString(PyExc_TypeError, "Keeper() takes a Gate, a list of calls or none, and nothing by name");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!|O!", Gate_Type, &gate, &PyList_Type, &calls)) return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Keeper *self = (Keeper *)allocate(type, 0);
    if (self == NULL) return NULL;
    self->gate = (Gate *)Py_NewRef(gate);
    self->calls = Py_XNewRef(calls);
    return (PyObject *)self;
}

/* What is registered at that moment. */
static void make_calls(PyObject *list) {
    LastCalls calls = {.count = 0};
    PyObject *kind, *value, *traceback;
    PyErr_Fetch(&kind, &value, &traceback);
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++) {
        PyObject *call = PyList_GetItem(list, i), *added = last_calls_add(&calls, &call, 1, true);
        Py_XDECREF(added);
    }
    (void)last_calls_make(&calls, false);
    PyErr_Restore(kind, value, traceback);
}

/* Waits for nobody: a use that goes on holds a handle, or is one of a callback that wipes when it leaves. */
static void dealloc(Keeper *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->gate != NULL) {
        gate_abandon(self->gate);
        Py_CLEAR(self->gate);
    }
    if (self->calls != NULL) make_calls(self->calls);
    Py_CLEAR(self->calls);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_tp_doc, "Keeper(gate, calls): shuts the gate when the last who holds it lets it go, and makes the calls in the list."},
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
