/* cell_type.c: where something in clear lies, so that its gate can take it away. */
#include "gate.h"

PyTypeObject *Cell_Type;

static int initialise(Cell *self, PyObject *args, PyObject *names) {
    static char *words[] = {"gate", "owner", "is_key", NULL};
    PyObject *gate, *owner = NULL;
    int is_key = 0;
    if (!PyArg_ParseTupleAndKeywords(args, names, "O|Op", words, &gate, &owner, &is_key)) return -1;
    if (owner == Py_None) owner = NULL;
    if (!PyObject_TypeCheck(gate, Gate_Type) || self->gate != NULL ||
        (owner != NULL && !PyObject_TypeCheck(owner, Cell_Type))) {
        PyErr_SetString(PyExc_TypeError, "a Cell belongs to one Gate, and to another Cell or none");
        return -1;
    }
    self->gate = (Gate *)Py_NewRef(gate);
    self->owner = (Cell *)Py_XNewRef(owner);
    self->is_key = is_key != 0;
    return 0;
}

static void dealloc(Cell *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->weak_references != NULL) PyObject_ClearWeakRefs((PyObject *)self);
    if (self->gate != NULL) {
        gate_settle(self->gate);
        cell_drop(self);
    }
    Py_CLEAR(self->owner);
    Py_CLEAR(self->free);
    Py_CLEAR(self->counted);
    Py_CLEAR(self->tickets);
    Py_CLEAR(self->gate);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static bool is_usable(Cell *self) {
    if (self->gate != NULL) gate_settle(self->gate);
    else PyErr_SetString(PyExc_TypeError, "this Cell was never initialised");
    return self->gate != NULL;
}

static PyObject *get_value(Cell *self, void *closure) {
    (void)closure;
    if (!is_usable(self)) return NULL;
    return Py_NewRef(self->value == NULL ? Py_None : self->value);
}

/* Only from inside the gate: who shuts it then waits for this, and takes the value away. */
static PyObject *hold(Cell *self, PyObject *value) {
    if (!is_usable(self)) return NULL;
    if (self->gate->state == GATE_LOCKED) {
        gate_refuse(self->gate, "refuse");
        return NULL;
    }
    if (!gate_is_inside(self->gate)) {
        if (self->gate->inherited) return raise_status(SM_FORKED); /* a use that began before the fork goes on */
        PyErr_SetString(PyExc_RuntimeError, "hold() is for work inside the gate");
        return NULL;
    }
    cell_fill(self, value);
    return Py_NewRef(value);
}

static PyObject *end(Cell *self, PyObject *ignored) {
    (void)ignored;
    if (!is_usable(self)) return NULL;
    cell_end(self);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"hold", (PyCFunction)hold, METH_O, "hold($self, value, /)\n--\n\nKeep what is in clear, and give it back; only inside the gate."},
    {"end", (PyCFunction)end, METH_NOARGS, "end($self)\n--\n\nWipe or drop what it holds, and what cells that it owns hold."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"value", (getter)get_value, NULL, "What is in clear, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"free", T_OBJECT, offsetof(Cell, free), 0, "Work that needs no check."},
    {"counted", T_OBJECT, offsetof(Cell, counted), 0, "Work that needs a ticket."},
    {"tickets", T_OBJECT, offsetof(Cell, tickets), 0, "One for each message left."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Cell, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Holds something in clear for a Gate."},
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_init, initialise},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {0, NULL},
};

PyTypeObject *cell_type_make(void) {
    PyType_Spec specification = {.name = "securemem._types.Cell",
                                 .basicsize = sizeof(Cell),
                                 .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                                 .slots = slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
