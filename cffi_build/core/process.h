/* process.h: what exists once per process: the core's mutex, the fork
 * generation, the random value behind canaries. */
#ifndef SM_PROCESS_H
#define SM_PROCESS_H

#include "securemem.h"

/* Takes the core's mutex, first settling a fork that nobody announced. */
void sm_enter(void);
void sm_leave(void);

/* Grows by one in each forked child; never zero. */
uint64_t sm_generation(void);

/* Differs in each process started, kept over fork. */
uint64_t sm_cookie(void);

#endif
