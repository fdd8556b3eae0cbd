/* gate.h: the gate of a key store, and the cells in which it holds what is in clear.
 *
 * Every use of a key is one call of C that enters, calls the Python work, and
 * leaves, whatever the work raised: no Python exception can come before the
 * leaving.  What is in clear (root key, open keys, prepared ciphers) lies in
 * cells that the gate lists: emptying all of them is one call too.
 *
 *   open      uses enter
 *   closing   none enters; the last one that leaves wipes
 *   locked    the cells are empty
 *
 * THREADS.  The GIL guards all of it: nothing here lets it go but the waiting,
 * and what was read before a wait is read again after it.
 *
 * FORK.  Each function first compares the generation of the process: in a child
 * it forgets uses and locks, empties the cells, and is locked.  Where every secret
 * in them came along (fork="inherit"), it stays open instead, and only what is no
 * secret goes, such as the prepared ciphers of sessions and streams: parent and
 * child must not go on with one counter.  A use that began before the fork is not
 * counted when it ends there.
 */
#ifndef SM_GATE_TYPES_H
#define SM_GATE_TYPES_H

#include "types.h"

enum gate_wait { WAIT_TO_SHUT, WAIT_TO_CHANGE };
enum gate_state { GATE_OPEN, GATE_CLOSING, GATE_LOCKED };

typedef struct {
    unsigned long thread;
    unsigned depth;    /* uses of this thread, one within the other */
    unsigned shutting; /* how many of its calls wait for other threads to leave */
    unsigned queueing; /* how many wait for its turn to change keys */
} GateUser;

typedef struct Cell Cell;

typedef struct {
    PyObject_HEAD
    enum gate_state state;
    bool forked;         /* locked by a fork, until it is opened again */
    bool outlives_forks; /* a child whose secrets all came along has it open */
    bool inherited;      /* open in such a child */
    bool notes_time;     /* there is an idle timer */
    uint64_t generation; /* of the process that it was last used in */
    uint64_t epoch;      /* how often it was opened */
    uint64_t used;       /* CLOCK_BOOTTIME in ns: the end of the last use */
    uint64_t opened;     /* the same of the opening */
    GateUser *users;
    size_t user_count, user_room;
    bool changing; /* a change goes on, in the thread `changer` */
    unsigned long changer;
    PyThread_type_lock news; /* released when something that is waited for may have happened */
    Cell *first, *last;      /* all cells that hold something, the oldest first */
    size_t keys;             /* how many of them are open keys */
    PyObject *weak_references;
} Gate;

/* Something in clear: a SecureBytes, which is wiped, or another object, which is dropped. */
struct Cell {
    PyObject_HEAD
    Gate *gate;
    PyObject *value;   /* NULL: empty; then it is in no list */
    Cell *owner;       /* its rules hold here too, and it takes this cell along when it ends; or NULL */
    PyObject *free;    /* work that needs no check: a set */
    PyObject *counted; /* work that needs a ticket: a set */
    PyObject *tickets; /* a Tickets: one for each message left */
    bool is_key;       /* opened again when it is needed: may be closed for another one */
    Cell *previous, *next;
    PyObject *weak_references;
};

extern PyTypeObject *Gate_Type;
extern PyTypeObject *Cell_Type;
PyTypeObject *gate_type_make(void);
PyTypeObject *cell_type_make(void);
extern PyTypeObject *Keeper_Type;
PyTypeObject *keeper_type_make(void);

/* gate_users.c: who is inside */
/* In a forked child: as new, and locked. */
void gate_settle(Gate *self);
/* Raises what a method of the Python class does. */
void gate_refuse(Gate *self, const char *method);
/* False: raised. */
bool gate_enter(Gate *self, bool locked_too);
void gate_leave(Gate *self);
bool gate_is_inside(Gate *self);
/* Whether other threads are inside; for a thread that is inside itself, those that do not wait for it. */
bool gate_is_busy(Gate *self);
/* Lets other threads run until there is news, or a moment has passed; false: a signal handler raised. */
bool gate_wait(Gate *self, enum gate_wait what);
/* Nobody has the store any more: shuts, and waits for nobody. */
void gate_abandon(Gate *self);
/* One thread changes keys at a time.  False: raised. */
bool gate_take_changes(Gate *self);
void gate_give_changes(Gate *self);
bool gate_changes_here(Gate *self);

/* cells.c */
void cell_fill(Cell *self, PyObject *value);
/* Lets an open key go: it is wiped when the last use of it has ended. */
void cell_close(Cell *self);
/* Empties a cell and those it owns: what they held is wiped. */
void cell_end(Cell *self);
/* Drops the cipher that is kept prepared of the key in it (kept.h). */
void cell_forget(Cell *self);
/* Empties a cell that goes. */
void cell_drop(Cell *self);
/* Empties all cells of a gate: what they held is wiped. */
void cells_empty(Gate *gate);
/* In a forked child: whether all secrets in cells are here; and the emptying of the cells that hold something else. */
bool cells_came_along(Gate *gate);
void cells_end_uses(Gate *gate);

/* apply.c */
PyObject *apply_changes(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
