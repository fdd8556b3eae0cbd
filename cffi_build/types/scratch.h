/* scratch.h: locked memory for the intermediate values of one operation, in an
 * arena of this process that stays accessible. */
#ifndef SM_SCRATCH_H
#define SM_SCRATCH_H

#include "types.h"

/* A slot of zeros, open for writing; NULL: raised, as intermediate values are never put elsewhere. */
sm_slot *scratch_take(uint8_t **data, size_t length);
/* Wipes it and gives it back. */
void scratch_return(sm_slot *slot);
/* The same as a SecureBytes, whose deallocation wipes it. */
Secret *scratch_new(Py_ssize_t length);

#endif
