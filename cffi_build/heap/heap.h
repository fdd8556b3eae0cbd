/* heap.h: the crypto heap: blocks for a library that holds keys and does not
 * know of it.
 *
 *   16 to 4,096 bytes: one of 28 sizes, blocks of one size side by side in a
 *   unit or four.  More: a run of units of its own.
 *
 * Every block is aligned to 16 bytes, zero when it is handed out, and zeroed
 * when it is given back, before any mutex is taken.  Blocks come from the
 * locked tier while the budget lasts, then from the unlocked one; what is
 * larger than SM_HEAP_LARGE goes to the unlocked one at once, unless
 * sm_heap_lock_large(true) was called.  What the heap knows about a block lies
 * outside of it, so that no overrun changes it.
 *
 * A block that is given back twice, or an address inside of one, ends the
 * process with a message.
 *
 * Every function may be called from any thread, and none calls into Python.
 */
#ifndef SM_HEAP_H
#define SM_HEAP_H

#include <stdatomic.h>

#include "units.h"

#define SM_HEAP_LARGE ((size_t)1 << 20)
#define SM_HEAP_LARGEST_ALIGNMENT SM_UNIT

/* Reserves the range, once; sets the budget each time. */
enum sm_status sm_heap_start(size_t budget);
bool sm_heap_is_started(void);

/* Whether those who ask for blocks on others' behalf (python_allocator.c,
 * entries.c) take them from here; what was handed out is taken back always.
 * It is read at every malloc, and so is no call. */
void sm_heap_serve(bool serving);
extern atomic_bool sm_heap_serving;
static inline bool sm_heap_is_serving(void) {
    return atomic_load_explicit(&sm_heap_serving, memory_order_relaxed);
}

void sm_heap_lock_large(bool locked);

/* A block of zeros; alignment is a power of two, or 0 for the least.  NULL:
 * there is no room, or the alignment is too large: take it from elsewhere. */
void *sm_heap_take(size_t length, size_t alignment);
void sm_heap_return(void *block);
/* Bytes that may be used at a block: as many as asked for, or more. */
size_t sm_heap_size(const void *block);

struct sm_heap_statistics {
    struct sm_units_counts units;
    size_t live_blocks;
    size_t live_bytes;  /* their sizes, added */
    size_t overflow;    /* bytes of blocks in the unlocked tier that the budget or the kernel kept out of the locked one */
};
void sm_heap_count(struct sm_heap_statistics *out);
/* Whether all blocks up to SM_HEAP_LARGE are locked; one read, no mutex. */
bool sm_heap_is_locked(void);

#endif
