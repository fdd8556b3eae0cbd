/* compare.h: equality of secrets. */
#ifndef SM_COMPARE_H
#define SM_COMPARE_H

#include "words.h"

/* In constant time for a length; lengths that differ are not equal. */
enum sm_status sm_secret_equal(sm_slot *slot, bool *equal, const uint8_t *other, size_t length);
enum sm_status sm_secret_equal_secret(sm_slot *slot, bool *equal, sm_slot *other);

#endif
