/* cells.c: what lies in the cells of a gate, put in, taken out, and emptied. */
#include "gate.h"

#include "kept.h"
#include "wipe.h"

#define MOST_KEYS 4096       /* open at one time; the oldest is closed for the next */
#define SCRUB_DEPTH 16384    /* a cipher that is dropped leaves its key on dead stack no deeper */

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
static bool let_go(PyObject *value) {
    bool cipher = Py_TYPE(value) != Secret_Type;
    if (!cipher) secret_wipe_later((Secret *)value);
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
    if (value != NULL) cipher |= let_go(value);
    for (Cell *owned = next_owned(self); owned != NULL; owned = next_owned(self)) {
        cipher |= let_go(take_out(owned));
    }
    if (cipher) sm_scrub(SCRUB_DEPTH);
    PyErr_Restore(type, error, trace);
}

void cell_forget(Cell *self) {
    if (self->value != NULL && Py_TYPE(self->value) == Secret_Type) kept_forget((Secret *)self->value);
}

void cell_drop(Cell *self) {
    PyObject *value = take_out(self);
    if (value != NULL && let_go(value)) sm_scrub(SCRUB_DEPTH);
}

bool cells_came_along(Gate *gate) {
    for (Cell *cell = gate->first; cell != NULL; cell = cell->next) {
        if (Py_TYPE(cell->value) == Secret_Type && secret_state((Secret *)cell->value) == SM_FORKED) return false;
    }
    return true;
}

static Cell *first_use(Gate *gate) {
    Cell *cell = gate->first;
    while (cell != NULL && Py_TYPE(cell->value) == Secret_Type && cell->owner == NULL) cell = cell->next;
    return cell;
}

void cells_end_uses(Gate *gate) {
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    for (Cell *cell = first_use(gate); cell != NULL; cell = first_use(gate)) cell_drop(cell);
    PyErr_Restore(type, error, trace);
}

void cells_empty(Gate *gate) {
    bool cipher = false;
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    while (gate->first != NULL) cipher |= let_go(take_out(gate->first));
    if (cipher) sm_scrub(SCRUB_DEPTH);
    PyErr_Restore(type, error, trace);
}

