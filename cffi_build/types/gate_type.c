/* gate_type.c: what Python calls of a gate: uses, changes, the shutting and the opening. */
#include "gate.h"

#include <stdlib.h>

#include "ending.h"

#define MOST_ARGUMENTS 8

/* The limited API of 3.11 has no vectorcall: PyObject_CallFunctionObjArgs does the same up to a NULL. */
static PyObject *call(PyObject *work, PyObject *const *args, Py_ssize_t count) {
    PyObject *a[MOST_ARGUMENTS + 1] = {NULL};
    if (count > MOST_ARGUMENTS) {
        PyErr_SetString(PyExc_TypeError, "too many arguments for work inside a gate");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) a[i] = args[i];
    return PyObject_CallFunctionObjArgs(work, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], NULL);
}

/* Ends a use: the frames of a failed one let go of what they hold, then the thread leaves. */
static PyObject *ended(Gate *self, uint64_t generation, PyObject *result) {
    if (result == NULL) ending_let_go();
    gate_settle(self);
    if (self->generation == generation) gate_leave(self);
    return result;
}

/* Whether the work may be done with the cell as it is: it is allowed without a check, or for a ticket.  A cell that
 * has an owner goes by the owner's rules. */
static bool is_allowed(Cell *cell, PyObject *work) {
    Cell *rules = cell->owner == NULL ? cell : cell->owner;
    if (cell->value == NULL || rules->counted == NULL || rules->free == NULL || rules->tickets == NULL) return false;
    if (PySet_Contains(rules->counted, work) != 1) return PySet_Contains(rules->free, work) == 1;
    PyObject *ticket = PyIter_Next(rules->tickets);
    Py_XDECREF(ticket);
    return ticket != NULL;
}

/* What the cell holds, once its own admit() has checked what cannot be seen here, or raised. */
static PyObject *admitted(Cell *cell, PyObject *work, PyObject *data) {
    if (is_allowed(cell, work)) return Py_NewRef(cell->value);
    PyErr_Clear();
    PyObject *name = PyUnicode_InternFromString("admit");
    if (name == NULL) return NULL;
    PyObject *secret = PyObject_CallMethodObjArgs((PyObject *)cell, name, work, data, NULL);
    Py_DECREF(name);
    return secret;
}

static PyObject *use(Gate *self, PyObject *const *args, Py_ssize_t count) {
    if (count < 2 || count > MOST_ARGUMENTS || !PyObject_TypeCheck(args[1], Cell_Type)) {
        PyErr_SetString(PyExc_TypeError, "use() takes work, a Cell, and up to six arguments");
        return NULL;
    }
    if (!gate_enter(self, false)) return NULL;
    uint64_t generation = self->generation;
    PyObject *given[MOST_ARGUMENTS] = {args[1], NULL};
    for (Py_ssize_t i = 2; i < count; i++) given[i] = args[i];
    PyObject *result = NULL;
    given[1] = admitted((Cell *)args[1], args[0], count > 2 ? args[2] : Py_None);
    gate_settle(self);
    if (given[1] != NULL && self->generation != generation) {
        Py_CLEAR(given[1]);
        raise_status(SM_FORKED); /* a fork came within admit(): the parent goes on with the ticket */
    }
    if (given[1] != NULL) result = call(args[0], given, count);
    Py_XDECREF(given[1]);
    return ended(self, generation, result);
}

static PyObject *enter_and_call(Gate *self, PyObject *const *args, Py_ssize_t count, bool locked_too) {
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "the work is missing");
        return NULL;
    }
    if (!gate_enter(self, locked_too)) return NULL;
    uint64_t generation = self->generation;
    return ended(self, generation, call(args[0], args + 1, count - 1));
}

static PyObject *run(Gate *self, PyObject *const *args, Py_ssize_t count) {
    return enter_and_call(self, args, count, false);
}

static PyObject *change_in(Gate *self, PyObject *const *args, Py_ssize_t count, bool locked_too) {
    if (!gate_take_changes(self)) return NULL;
    uint64_t generation = self->generation;
    PyObject *result = enter_and_call(self, args, count, locked_too);
    if (self->generation == generation) gate_give_changes(self);
    return result;
}

static PyObject *change(Gate *self, PyObject *const *args, Py_ssize_t count) {
    return change_in(self, args, count, false);
}

static PyObject *change_locked_too(Gate *self, PyObject *const *args, Py_ssize_t count) {
    return change_in(self, args, count, true);
}

/* Answers whether this call was the one that began the shutting. */
static PyObject *shut(Gate *self, PyObject *ignored) {
    (void)ignored;
    gate_settle(self);
    bool began = self->state == GATE_OPEN;
    if (began) self->state = GATE_CLOSING;
    while (self->state == GATE_CLOSING) {
        if (self->user_count == 0) {
            self->state = GATE_LOCKED;
            cells_empty(self);
        } else if (!gate_is_busy(self)) {
            break; /* this thread is inside: it wipes when it leaves */
        } else if (!gate_wait(self, WAIT_TO_SHUT)) {
            return NULL;
        }
    }
    return PyBool_FromLong(began);
}

/* Takes what the work gives as the root key, unless there is one; with the changes held by the caller. */
static PyObject *open_with(Gate *self, Cell *root, PyObject *work, PyObject *const *args, Py_ssize_t count) {
    PyObject *key = call(work, args, count);
    if (key == NULL) {
        ending_let_go();
        return NULL;
    }
    gate_settle(self);
    bool shutting = self->state == GATE_CLOSING; /* a lock() came meanwhile: users are inside, with what it wipes */
    bool here = self->state == GATE_OPEN && root->value != NULL && !secret_is_wiped(root->value);
    if (!here && !shutting) {
        cells_empty(self);
        cell_fill(root, key);
        self->state = GATE_OPEN;
        self->forked = self->inherited = false;
        self->epoch++;
    } else if (Py_TYPE(key) == Secret_Type) {
        secret_wipe_later((Secret *)key);
    }
    Py_DECREF(key);
    if (shutting) gate_refuse(self, "refuse");
    else self->used = self->opened = sm_boottime();
    return shutting ? NULL : PyBool_FromLong(!here);
}

/* Takes the changes while no shutting goes on; false: raised.  Who has them must not wait for one: it waits for users. */
static bool take_turn_to_open(Gate *self) {
    while (gate_take_changes(self)) {
        if (self->state != GATE_CLOSING) return true;
        bool inside = gate_is_inside(self);
        gate_give_changes(self);
        if (inside) gate_refuse(self, "refuse");
        if (inside || !gate_wait(self, WAIT_TO_SHUT)) return false;
    }
    return false;
}

static PyObject *reopen(Gate *self, PyObject *const *args, Py_ssize_t count) {
    if (count < 2 || !PyObject_TypeCheck(args[0], Cell_Type)) {
        PyErr_SetString(PyExc_TypeError, "reopen() takes the root key's Cell, work, and its arguments");
        return NULL;
    }
    if (!take_turn_to_open(self)) return NULL;
    uint64_t generation = self->generation;
    PyObject *result = open_with(self, (Cell *)args[0], args[1], args + 2, count - 2);
    if (self->generation == generation) gate_give_changes(self);
    return result;
}

static PyObject *close_keys(Gate *self, PyObject *ignored) {
    (void)ignored;
    gate_settle(self);
    for (Cell *cell = self->first; cell != NULL;) {
        Cell *next = cell->next;
        if (cell->is_key) cell_close(cell);
        cell = next;
    }
    Py_RETURN_NONE;
}

static PyObject *make(PyTypeObject *type, PyObject *args, PyObject *names) {
    (void)args, (void)names; /* they are __init__'s */
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Gate *self = (Gate *)allocate(type, 0);
    if (self == NULL) return NULL;
    self->state = GATE_LOCKED;
    self->generation = sm_fork_generation();
    self->news = PyThread_allocate_lock();
    if (self->news != NULL) return (PyObject *)self;
    Py_DECREF((PyObject *)self);
    return PyErr_NoMemory();
}

static void dealloc(Gate *self) { /* it has no cells: they hold it */
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (self->weak_references != NULL) PyObject_ClearWeakRefs((PyObject *)self);
    if (self->news != NULL) PyThread_free_lock(self->news);
    free(self->users);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *get_flag(Gate *self, void *which) {
    gate_settle(self);
    switch ((intptr_t)which) {
        case 0: return PyBool_FromLong(self->state == GATE_OPEN);
        case 1: return PyBool_FromLong(self->state == GATE_LOCKED);
        case 2: return PyBool_FromLong(self->forked);
        case 3: return PyBool_FromLong(self->user_count > 0);
        case 4: return PyBool_FromLong(self->inherited);
        default: return PyBool_FromLong(gate_changes_here(self));
    }
}

static PyObject *get_number(Gate *self, void *which) {
    gate_settle(self);
    switch ((intptr_t)which) {
        case 0: return PyLong_FromUnsignedLongLong(self->epoch);
        case 1: return PyFloat_FromDouble((double)self->used / 1e9);
        case 2: return PyFloat_FromDouble((double)self->opened / 1e9);
        default: {
            size_t held = 0;
            for (Cell *cell = self->first; cell != NULL; cell = cell->next) held++;
            return PyLong_FromSize_t(held);
        }
    }
}

static PyObject *note_time(Gate *self, PyObject *wanted) {
    int notes = PyObject_IsTrue(wanted);
    if (notes < 0) return NULL;
    self->notes_time = notes != 0;
    Py_RETURN_NONE;
}

static PyObject *outlive_forks(Gate *self, PyObject *wanted) {
    int outlives = PyObject_IsTrue(wanted);
    if (outlives < 0) return NULL;
    self->outlives_forks = outlives != 0;
    Py_RETURN_NONE;
}

static PyObject *settle(Gate *self, PyObject *ignored) {
    (void)ignored;
    gate_settle(self);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"use", (PyCFunction)(void (*)(void))use, METH_FASTCALL,
     "use($self, work, cell, /, *args)\n--\n\nwork(cell, what it holds, *args) inside the gate, once the cell's admit() allows it."},
    {"run", (PyCFunction)(void (*)(void))run, METH_FASTCALL, "run($self, work, /, *args)\n--\n\nwork(*args) inside the gate."},
    {"change", (PyCFunction)(void (*)(void))change, METH_FASTCALL, "change($self, work, /, *args)\n--\n\nAs run(), one at a time."},
    {"change_locked_too", (PyCFunction)(void (*)(void))change_locked_too, METH_FASTCALL,
     "change_locked_too($self, work, /, *args)\n--\n\nAs change(), whatever the state."},
    {"shut", (PyCFunction)shut, METH_NOARGS, "shut($self)\n--\n\nRefuse uses, wait for others, empty the cells; whether it began."},
    {"reopen", (PyCFunction)(void (*)(void))reopen, METH_FASTCALL,
     "reopen($self, root, work, /, *args)\n--\n\nPut what work(*args) gives into the root key's cell, and open; whether it was shut."},
    {"close_keys", (PyCFunction)close_keys, METH_NOARGS, "close_keys($self)\n--\n\nClose all open keys, to be opened again."},
    {"note_time", (PyCFunction)note_time, METH_O, "note_time($self, wanted, /)\n--\n\nWhether the ends of uses are noted."},
    {"outlive_forks", (PyCFunction)outlive_forks, METH_O,
     "outlive_forks($self, wanted, /)\n--\n\nWhether a forked child has it open, where all its secrets came along."},
    {"settle", (PyCFunction)settle, METH_NOARGS, "settle($self)\n--\n\nIn a forked child: end the parent's uses, and be locked unless all secrets came along."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"is_open", (getter)get_flag, NULL, "Whether uses are let in.", (void *)0},
    {"locked", (getter)get_flag, NULL, "Whether the cells are empty, and nobody is let in.", (void *)1},
    {"forked", (getter)get_flag, NULL, "Whether a fork locked it.", (void *)2},
    {"in_use", (getter)get_flag, NULL, "Whether anybody is inside.", (void *)3},
    {"inherited", (getter)get_flag, NULL, "Whether a forked child has it open, with the parent's keys.", (void *)4},
    {"changes_here", (getter)get_flag, NULL, "Whether a change by this thread goes on.", (void *)5},
    {"epoch", (getter)get_number, NULL, "How often it was opened.", (void *)0},
    {"used", (getter)get_number, NULL, "When the last use ended, on CLOCK_BOOTTIME, in seconds.", (void *)1},
    {"opened", (getter)get_number, NULL, "When it was opened, likewise.", (void *)2},
    {"held", (getter)get_number, NULL, "How many cells hold something.", (void *)3},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Gate, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Who is inside a key store, and what is in clear there."},
    {Py_tp_new, make},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, members},
    {0, NULL},
};

PyTypeObject *gate_type_make(void) {
    PyType_Spec specification = {"securemem._types.Gate", sizeof(Gate), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
    return (PyTypeObject *)PyType_FromSpec(&specification);
}
