/* os_faulty.h: how a test plans failures of the platform. */
#ifndef OS_FAULTY_H
#define OS_FAULTY_H

#include <stdbool.h>
#include <stddef.h>

/* The verb's name without sm_os_; NULL past the last. */
const char *faulty_verb(size_t verb);
/* From now on fails the calls first, first + 1, ... (the first is 1) of a verb,
 * count of them, with this errno; counts start again.  after: the call takes
 * effect all the same. */
void faulty_plan(size_t verb, size_t first, size_t count, int error, bool after);
size_t faulty_calls(size_t verb); /* since the plan was set */
size_t faulty_fired(void);        /* calls failed by it */

#endif
