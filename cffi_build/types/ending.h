/* ending.h: what a failed operation must not leave in the hands of whoever
 * keeps its exception. */
#ifndef SM_ENDING_H
#define SM_ENDING_H

#include <Python.h>

/* Interns the names that ending_let_go looks up, so that it needs no memory; -1: raised. */
int ending_start(void);

/* Called with an exception set.  The traceback of an exception keeps the frames
 * of the calls that failed, and they keep their locals: views, slices, ciphers.
 * This clears every finished frame of securemem, of cryptography, and of
 * the abc that it calls, in the traceback and in those of the exceptions that it came from.  Frames of other
 * code stay as they are, and so does the exception. */
void ending_let_go(void);

#endif
