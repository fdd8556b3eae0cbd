/* kept.h: what cryptography made of a key, kept with the key for the next message.
 *
 * That is allowed only while cryptography's memory is locked and wiped: the crypto
 * heap says so, and how many.  What is kept ends with its key: when that is
 * wiped, opened for writing, or gone, in a forked child, and when the heap is
 * turned off.  Where there are too many, the one goes that was used longest ago.
 *
 * All of it under the GIL.
 */
#ifndef SM_KEPT_H
#define SM_KEPT_H

#include "types.h"

/* Keeps at most so many; 0: none.  is_locked: whether the heap found room for all
 * of them in locked memory, by the count of which refuse() raises; NULL: it need not. */
void kept_configure(size_t most, bool (*is_locked)(void), PyObject *refuse);
bool kept_is_on(void);
size_t kept_count(void);
/* Whether an operation may begin; false: raised, since key material would not be locked. */
bool kept_admits(void);

/* What was made of the key for this user; a new reference, or NULL, and nothing raised. */
PyObject *kept_find(Secret *key, PyObject *user);
/* Begins the making for kept_add, which needs its answer: 0 where the key may be written to now, and nothing is kept. */
uint64_t kept_begin(Secret *key);
void kept_add(Secret *key, PyObject *user, PyObject *made, uint64_t begun);

/* The key is about to be wiped, written to, or gone; cheap where nothing is kept. */
void kept_forget(Secret *key);
void kept_note_writing(Secret *key);
/* Those whose keys were wiped in the core; all. */
void kept_forget_wiped(void);
void kept_forget_all(void);

#endif
