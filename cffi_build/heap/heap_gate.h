/* heap_gate.h: the mutexes of the crypto heap, and what fork does to them.
 *
 * Mutex 0 to SM_HEAP_CLASSES - 1 guard one size class each, the last one
 * guards the units.  A thread that holds a class's mutex may take that of the
 * units, and with it the core's; never the other way round.
 */
#ifndef SM_HEAP_GATE_H
#define SM_HEAP_GATE_H

#include "words.h"

#define SM_HEAP_CLASSES 28
#define SM_HEAP_UNITS SM_HEAP_CLASSES /* the mutex of the units */

/* Opens the gate, once.  lock_again is called in a forked child, before any of
 * the child's own code, with all mutexes held. */
enum sm_status sm_heap_gate_start(void (*lock_again)(void));

/* False: after a raw clone that found the heap in the middle of a change.
 * Nothing is held then, and nothing may be changed any more. */
bool sm_heap_enter(unsigned mutex);
void sm_heap_leave(unsigned mutex);
/* Whether this thread is between the fork handlers: the core's mutex may be held by it. */
bool sm_heap_is_forking(void);

#endif
