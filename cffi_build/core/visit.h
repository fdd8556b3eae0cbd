/* visit.h: what is done to every secret; all under the core's mutex. */
#ifndef SM_VISIT_H
#define SM_VISIT_H

#include "arena.h"

/* Calls visit for every slot that is not free; visit may give it back. */
void sm_visit_arena(sm_arena *arena, void (*visit)(struct sm_slot *slot, void *context), void *context);
/* The same for every arena of this process. */
void sm_visit_all(void (*visit)(struct sm_slot *slot, void *context), void *context);

#endif
