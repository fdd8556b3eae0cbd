/* heap_gate.h: the mutexes of the crypto heap, and what fork does to them.
 *
 * Mutex 0 to SM_HEAP_CLASSES - 1 guard one size class each, the last one
 * guards the units.  A thread that holds a class's mutex may take that of the
 * units, and with it the core's; never the other way round.
 *
 * They are held for some nanoseconds, at most for a system call: whoever finds
 * one held tries again, and soon lets others run.  So giving one back is a
 * plain store, which makes a pair of malloc and free a third cheaper than with
 * the C library's mutexes.
 */
#ifndef SM_HEAP_GATE_H
#define SM_HEAP_GATE_H

#include <stdatomic.h>

#include "words.h"

#define SM_HEAP_CLASSES 28
#define SM_HEAP_UNITS SM_HEAP_CLASSES /* the mutex of the units */

/* Opens the gate, once.  lock_again is called in a forked child, before any of
 * the child's own code, with all mutexes held. */
enum sm_status sm_heap_gate_start(void (*lock_again)(void));

/* Whether this thread is between the fork handlers: the core's mutex may be held by it. */
bool sm_heap_is_forking(void);

/* -- for the two below only -- */

enum { SM_HEAP_FORKED = 0, SM_HEAP_CALM = 1, SM_HEAP_FORKING = 2, SM_HEAP_ABANDONED = 3 };
/* One of these; the kernel zeroes it in a child. */
extern _Atomic uint64_t *sm_heap_state;
/* One cache line each: threads that use different classes do not slow each other down. */
struct sm_heap_mutex {
    _Alignas(64) atomic_bool held;
};
extern struct sm_heap_mutex sm_heap_mutexes[SM_HEAP_CLASSES + 1];
bool sm_heap_enter_slowly(unsigned mutex);
void sm_heap_leave_slowly(unsigned mutex);

static inline bool sm_heap_is_calm(void) {
    return atomic_load_explicit(sm_heap_state, memory_order_relaxed) == SM_HEAP_CALM;
}

/* False: after a raw clone that found the heap in the middle of a change.
 * Nothing is held then, and nothing may be changed any more. */
static inline bool sm_heap_enter(unsigned mutex) {
    struct sm_heap_mutex *one = &sm_heap_mutexes[mutex];
    if (sm_heap_is_calm() && !atomic_exchange_explicit(&one->held, true, memory_order_acquire)) return true;
    return sm_heap_enter_slowly(mutex);
}

static inline void sm_heap_leave(unsigned mutex) {
    if (sm_heap_is_calm()) atomic_store_explicit(&sm_heap_mutexes[mutex].held, false, memory_order_release);
    else sm_heap_leave_slowly(mutex);
}

#endif
