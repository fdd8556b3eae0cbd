/* wipe.h: leaving nothing behind, and comparing without telling. */
#ifndef SM_WIPE_H
#define SM_WIPE_H

#include "words.h"

/* Zeroes, and cannot be optimised away. */
void sm_wipe(void *buffer, size_t length);

/* Whether two buffers are equal, in time that depends on length alone. */
bool sm_equal(const void *a, const void *b, size_t length);

/* Whether all bytes are zero; constant time. */
bool sm_is_zero(const void *buffer, size_t length);

/* Clears vector registers, then zeroes up to depth bytes of dead stack below
 * the caller, as far as the thread's stack has room.  Returns the bytes
 * zeroed.  Only the thread that ran an operation can clear up after it. */
size_t sm_scrub(size_t depth);

#endif
