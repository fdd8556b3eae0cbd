/* last_calls.h: what an operation registered to be called at its end. */
#ifndef SM_LAST_CALLS_H
#define SM_LAST_CALLS_H

#include <Python.h>
#include <stdbool.h>

/* More than any operation needs. */
#define MOST_LAST_CALLS 8

typedef struct {
    Py_ssize_t count;
    struct {
        PyObject *function, *arguments;
        bool always; /* or only where the operation failed */
    } calls[MOST_LAST_CALLS];
} LastCalls;

/* Registers calls, each a tuple of a compiled function and its arguments: all of them, or none.  None, or NULL: raised. */
PyObject *last_calls_add(LastCalls *self, PyObject *const *args, Py_ssize_t count, bool always);
/* What args[1] makes of the arguments after it; args[0] is called with that at the end. */
PyObject *last_calls_acquire(LastCalls *self, PyObject *const *args, Py_ssize_t count, bool always);
/* Makes them, the last one first, with no exception set; forgets them.  Where one fails the others are made all the
 * same, and false is answered with its exception set. */
bool last_calls_make(LastCalls *self, bool failed);
/* Forgets them. */
void last_calls_drop(LastCalls *self);

#endif
