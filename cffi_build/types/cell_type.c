/* cell_type.c: where something in clear lies, so that its gate can take it away. */
#include "gate.h"

#include "wipe.h"

#define MOST_KEYS 4096       /* open at one time; the oldest is closed for the next */
#define SCRUB_DEPTH 16384    /* a cipher that is dropped leaves its key on dead stack no deeper */

PyTypeObject *Cell_Type;

static void link_last(Cell *self) {
    Gate *gate = self->gate;
    self->previous = gate->last;
    self->next = NULL;
    if (gate->last != NULL) gate->last->next = self;
    else gate->first = self;
    gate->last = self;
    gate->keys += self->is_key;
}

/* Takes the value out, which the caller then owns. */
static PyObject *take_out(Cell *self) {
    PyObject *value = self->value;
    if (value == NULL) return NULL;
    Gate *gate = self->gate;
    if (self->previous != NULL) self->previous->next = self->next;
    else gate->first = self->next;
    if (self->next != NULL) self->next->previous = self->previous;
    else gate->last = self->previous;
    gate->keys -= self->is_key;
    self->previous = self->next = NULL;
    self->value = NULL;
    return value;
}

/* Wiped now, or, where a view is open, at its end.  Answers whether it was no secret, and dead stack is to be cleared. */
static bool let_go(PyObject *value, bool wipe) {
    bool cipher = Py_TYPE(value) != Secret_Type;
    if (!cipher && wipe) secret_wipe_later((Secret *)value);
    Py_DECREF(value);
    return cipher;
}

void cell_close(Cell *self) {
    PyObject *value = take_out(self);
    Py_XDECREF(value);
}

void cell_fill(Cell *self, PyObject *value) {
    Gate *gate = self->gate;
    PyObject *former = take_out(self);
    while (self->is_key && gate->keys >= MOST_KEYS) {
        Cell *oldest = gate->first;
        while (!oldest->is_key) oldest = oldest->next;
        cell_close(oldest);
    }
    self->value = Py_NewRef(value);
    link_last(self);
    Py_XDECREF(former);
}

/* Of a gate's cells the first that this owns. */
static Cell *next_owned(Cell *self) {
    for (Cell *cell = self->gate->first; cell != NULL; cell = cell->next) {
        if (cell->owner == self) return cell;
    }
    return NULL;
}

void cell_end(Cell *self) {
    bool cipher = false;
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyObject *value = take_out(self);
    if (value != NULL) cipher |= let_go(value, true);
    for (Cell *owned = next_owned(self); owned != NULL; owned = next_owned(self)) {
        cipher |= let_go(take_out(owned), true);
    }
    if (cipher) sm_scrub(SCRUB_DEPTH);
    PyErr_Restore(type, error, trace);
}

void cells_empty(Gate *gate, bool wipe) {
    bool cipher = false;
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    while (gate->first != NULL) cipher |= let_go(take_out(gate->first), wipe);
    if (cipher) sm_scrub(SCRUB_DEPTH);
    PyErr_Restore(type, error, trace);
}

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
        PyObject *value = take_out(self);
        if (value != NULL && let_go(value, true)) sm_scrub(SCRUB_DEPTH);
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
