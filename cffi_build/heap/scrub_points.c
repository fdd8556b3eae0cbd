/* scrub_points.c: when to clear the dead stack of a library that we only see at
 * its calls of malloc, free and Python's functions.
 *
 * What a library's function leaves lies below the stack pointer of whoever
 * called it, so the clearing must come when that one is back.  A library takes
 * while it goes down and gives back while it comes up: each time that something
 * is given back from higher up than the last clearing or taking, frames have
 * died in between, and are cleared.  Equal heights cost one comparison.
 */
#include "scrub_points.h"

#include <stdatomic.h>

#include "wipe.h"

static atomic_size_t depth;
static _Thread_local uintptr_t reached; /* the height of the last taking or clearing */

void sm_scrub_points_set(size_t bytes) {
    atomic_store(&depth, bytes);
}

/* The stack grows down: a higher address is nearer to the caller. */
void sm_scrub_note(void) {
    if (atomic_load_explicit(&depth, memory_order_relaxed) == 0) return;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (here < reached) reached = here;
}

void sm_scrub_point(void) {
    size_t bytes = atomic_load_explicit(&depth, memory_order_relaxed);
    if (bytes == 0) return;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (here <= reached) return;
    reached = here;
    sm_scrub(bytes);
}
