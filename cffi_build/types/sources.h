/* sources.h: which buffers securemem takes, and how it refuses the others.
 *
 * One rule everywhere: a bytes-like object whose bytes lie in one piece, of
 * whatever items.  Something else is a TypeError that says what to do, a buffer
 * in pieces a SourceError. */
#ifndef SM_SOURCES_H
#define SM_SOURCES_H

#include <stdbool.h>

#include "types.h"

/* Raises the exception of securemem.exceptions that has this name; always NULL. */
PyObject *raise_named(const char *name, const char *format, ...);

/* Gets the buffer of an object, called `what` in messages; false: raised. */
bool source_get(PyObject *object, Py_buffer *view, const char *what);
/* The same of one that is to be written to. */
bool target_get(PyObject *object, Py_buffer *view, const char *what);
/* bytes_of(buffer, what): a copy of a buffer that holds no secret, and no view of it left. */
PyObject *source_bytes(PyObject *module, PyObject *const *args, Py_ssize_t count);
/* A secret whose length is one that the caller checks; NULL: raised. */
Secret *secret_argument(PyObject *object, const char *what);

#endif
