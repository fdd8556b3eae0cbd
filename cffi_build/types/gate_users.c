/* gate_users.c: who is inside a gate, who changes keys, and the waiting for either. */
#include "gate.h"

#include <stdlib.h>

PyTypeObject *Gate_Type; /* here, on the ground of the types that need it */

/* A wait looks again after so long, should it have missed what it waits for. */
#define LONGEST_WAIT_MICROSECONDS 50000

void gate_settle(Gate *self) {
    uint64_t now = sm_fork_generation();
    if (self->generation == now) return;
    self->generation = now;
    self->user_count = 0;
    self->changing = false;
    self->inherited = self->state == GATE_OPEN && self->outlives_forks && cells_came_along(self);
    self->forked = !self->inherited;
    if (self->forked) self->state = GATE_LOCKED;
    /* The old lock may be held by a thread that is not here. */
    PyThread_type_lock fresh = PyThread_allocate_lock();
    if (fresh != NULL) self->news = fresh;
    if (self->inherited) cells_end_uses(self);
    else cells_empty(self);
}

static GateUser *find(Gate *self, unsigned long thread) {
    for (size_t i = 0; i < self->user_count; i++) {
        if (self->users[i].thread == thread) return &self->users[i];
    }
    return NULL;
}

bool gate_is_inside(Gate *self) {
    return find(self, PyThread_get_thread_ident()) != NULL;
}

/* Two that are inside could wait for each other for ever: hence the exceptions. */
bool gate_is_busy(Gate *self) {
    unsigned long me = PyThread_get_thread_ident();
    bool inside = find(self, me) != NULL;
    for (size_t i = 0; i < self->user_count; i++) {
        GateUser *user = &self->users[i];
        bool waits_for_me = user->shutting > 0 || (user->queueing > 0 && self->changing && self->changer == me);
        if (user->thread != me && !(inside && waits_for_me)) return true;
    }
    return false;
}

static GateUser *add(Gate *self, unsigned long thread) {
    if (self->user_count == self->user_room) {
        size_t room = self->user_room * 2 + 8;
        GateUser *larger = realloc(self->users, room * sizeof *larger);
        if (larger == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        self->users = larger;
        self->user_room = room;
    }
    GateUser *user = &self->users[self->user_count++];
    *user = (GateUser){.thread = thread};
    return user;
}

void gate_refuse(Gate *self, const char *method) {
    PyObject *answer = PyObject_CallMethod((PyObject *)self, method, NULL);
    if (answer != NULL) PyErr_Format(PyExc_SystemError, "%s() did not raise", method);
    Py_XDECREF(answer);
}

bool gate_changes_here(Gate *self) {
    gate_settle(self);
    return self->changing && self->changer == PyThread_get_thread_ident();
}

bool gate_enter(Gate *self, bool locked_too) {
    gate_settle(self);
    if (self->state != GATE_OPEN && !locked_too) {
        gate_refuse(self, "refuse");
        return false;
    }
    unsigned long me = PyThread_get_thread_ident();
    GateUser *user = find(self, me);
    if (user == NULL) user = add(self, me);
    if (user == NULL) return false;
    user->depth++;
    return true;
}

static void tell(Gate *self) {
    PyThread_acquire_lock(self->news, NOWAIT_LOCK);
    PyThread_release_lock(self->news);
}

void gate_leave(Gate *self) {
    GateUser *user = find(self, PyThread_get_thread_ident());
    if (user == NULL) return;
    if (self->notes_time) self->used = sm_boottime();
    if (--user->depth > 0) return;
    *user = self->users[--self->user_count];
    if (self->state != GATE_CLOSING) return;
    if (self->user_count == 0) {
        self->state = GATE_LOCKED; /* before the emptying, which may run finalisers */
        cells_empty(self);
    }
    tell(self);
}

void gate_abandon(Gate *self) {
    gate_settle(self);
    if (self->state == GATE_LOCKED) return;
    self->state = self->user_count == 0 ? GATE_LOCKED : GATE_CLOSING;
    if (self->state == GATE_LOCKED) cells_empty(self);
}

static void count_waiting(Gate *self, enum gate_wait what, bool begins) {
    GateUser *user = find(self, PyThread_get_thread_ident());
    if (user == NULL) return;
    unsigned *count = what == WAIT_TO_SHUT ? &user->shutting : &user->queueing;
    *count = begins ? *count + 1 : *count - 1;
}

bool gate_wait(Gate *self, enum gate_wait what) {
    uint64_t generation = self->generation;
    count_waiting(self, what, true);
    tell(self); /* who waits for this thread need not any more */
    PyThread_acquire_lock(self->news, NOWAIT_LOCK);
    PyThread_type_lock news = self->news;
    Py_BEGIN_ALLOW_THREADS
    if (PyThread_acquire_lock_timed(news, LONGEST_WAIT_MICROSECONDS, 1) == PY_LOCK_ACQUIRED) PyThread_release_lock(news);
    Py_END_ALLOW_THREADS
    int raised = PyErr_CheckSignals();
    gate_settle(self);
    if (self->generation == generation) count_waiting(self, what, false);
    return raised == 0;
}

bool gate_take_changes(Gate *self) {
    unsigned long me = PyThread_get_thread_ident();
    gate_settle(self);
    while (self->changing) {
        if (self->changer == me) {
            gate_refuse(self, "refuse_change");
            return false;
        }
        if (!gate_wait(self, WAIT_TO_CHANGE)) return false;
    }
    self->changing = true;
    self->changer = me;
    return true;
}

void gate_give_changes(Gate *self) {
    self->changing = false;
    tell(self);
}
