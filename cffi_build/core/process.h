/* process.h: what exists once per process: the core's mutex, the fork
 * generation, the random value behind canaries. */
#ifndef SM_PROCESS_H
#define SM_PROCESS_H

#include "securemem.h"

/* Takes the core's mutex, first settling a fork that nobody announced. */
void sm_enter(void);
void sm_leave(void);

struct sm_process {
    uint64_t generation; /* grows by one in each forked child; never zero */
    uint64_t cookie;     /* random, kept over fork */
};
extern struct sm_process sm_process; /* written by process.c only */

static inline uint64_t sm_generation(void) {
    return sm_process.generation;
}

static inline uint64_t sm_cookie(void) {
    return sm_process.cookie;
}

#endif
