/* inheritance.h: what a forked child gets of its parent's arenas; all under the
 * core's mutex. */
#ifndef SM_INHERITANCE_H
#define SM_INHERITANCE_H

#include "words.h"

/* Before a fork: lets the child have the runs of arenas that inherit. */
void sm_inheritance_offer(void);
/* After it, in the parent: keeps them from all other children. Repeats what the kernel refused before. */
void sm_inheritance_withdraw(void);
/* In the child, which is of its own generation already: takes over what was
 * offered, and forgets the rest, whose addresses stay taken.  announced: the
 * fork's handlers run; a raw clone takes over nothing. */
void sm_inheritance_settle(bool announced);

#endif
