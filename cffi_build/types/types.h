/* types.h: the Python types over the core, in CPython's limited API.
 *
 * They are compiled into the same shared object as the cffi bindings and come
 * out of it by a module of their own (module.c), so that a secret's buffer
 * goes to its consumer without a detour through cffi.
 */
#ifndef SM_TYPES_H
#define SM_TYPES_H

#include <Python.h>
#include <structmember.h>

#include "securemem.h"

/* A secret: owns one slot.  Not tracked by the garbage collector, since it
 * refers to nothing that could refer to it. */
typedef struct {
    PyObject_HEAD
    sm_slot *slot; /* NULL once wiped */
    Py_ssize_t length;
    PyObject *weak_references;
    struct kept *kept; /* what is kept prepared of it (kept.h), or NULL */
} Secret;

/* The handle of an arena; securemem.arenas.Arena derives from it. */
typedef struct {
    PyObject_HEAD
    sm_arena *arena; /* NULL until made */
} ArenaHandle;

extern PyTypeObject *Secret_Type;
extern PyTypeObject *Reveal_Type;
extern PyTypeObject *ArenaHandle_Type;

/* Raises the exception for a status, by the hook that Python installed; always NULL. */
PyObject *raise_status(enum sm_status status);
/* Tells Python once that an arena went without its lock; -1 if that raised. */
int warn_unlocked(void);
/* Warns that a secret was used as if it were text (SecretTextWarning); -1 if that raised. */
int warn_text(const char *message);
PyObject *install_hooks(PyObject *module, PyObject *args);
/* What `.protection` answers for a location. */
PyObject *read_protection(const struct sm_location *location);

/* Whether it is live, wiped, or left in the parent of a fork. */
enum sm_status secret_state(Secret *self);
/* Opens a view of the data; raises and answers NULL where that cannot be. */
uint8_t *secret_open(Secret *self, bool writable);
/* What a view's `internal` keeps: how it was opened, and by which thread; and the
 * closing of it, by whoever releases it. */
void *view_note(bool writable);
void view_end(sm_slot *slot, void *note);
/* A new secret of length bytes, zero. */
Secret *secret_new(sm_arena *arena, Py_ssize_t length);
/* The same, open for writing at once: sm_secret_close(self->slot, true) ends it. */
Secret *secret_new_open(uint8_t **data, sm_arena *arena, Py_ssize_t length);
/* A secret around a slot, which is its own from then on, also where it fails. */
Secret *secret_adopt(sm_slot *slot, Py_ssize_t length);

/* secret_type.c */
PyTypeObject *secret_type_make(void);

/* secret_text.c: its description: silent, with a warning, and padded with one; the warning of == with a str */
PyObject *secret_represent(Secret *self);
PyObject *secret_as_text(Secret *self);
PyObject *secret_format(Secret *self, PyObject *specification);
int secret_warn_comparison(void);

/* secret_compare.c: Py_EQ and Py_NE, and the two as methods */
PyObject *secret_compare(Secret *self, PyObject *other, int operation);
PyObject *secret_equals(Secret *self, PyObject *other);
PyObject *secret_differs(Secret *self, PyObject *other);

/* secret_refuse.c: the answers to what cannot be done; always NULL, raised */
PyObject *secret_refuse_call(PyTypeObject *type, PyObject *args, PyObject *names);
PyObject *secret_refuse_pickle(PyObject *self, PyObject *ignored);
PyObject *secret_refuse_copy(PyObject *self, PyObject *ignored);
PyObject *secret_refuse_bytes(PyObject *self, PyObject *ignored);
PyObject *secret_refuse_number(PyObject *self);

/* Zeroes it now, or, where a view is open, when that is released. */
void secret_wipe_later(Secret *self);
/* Whether it is wiped, or left in a parent process. */
bool secret_is_wiped(PyObject *self);

/* secret_make.c: the constructors and slices */
PyObject *secret_zeros(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *secret_random(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *secret_take(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *secret_copy_of(PyObject *type, PyObject *const *args, Py_ssize_t count, PyObject *names);
/* A contiguous view of a source of bytes, writable if it is to be wiped; false: raised. */
bool secret_get_source(PyObject *source, Py_buffer *view, bool writable);
/* The arena of an `arena` argument, for None the default one; NULL: raised. */
sm_arena *secret_arena_of(PyObject *argument);
PyObject *secret_subscript(PyObject *self, PyObject *key);

/* reveal_type.c, arena_type.c */
PyTypeObject *reveal_type_make(void);
PyObject *reveal_new(Secret *secret, bool writable);
PyTypeObject *arena_type_make(void);
PyObject *arenas_purge(PyObject *module, PyObject *ignored);

#endif
