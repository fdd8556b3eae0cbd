/* units.h: the address range of the crypto heap, in units of 4 KiB.
 *
 *   [ locked tier, 512 MiB ............ | unlocked tier, 4 GiB ............ ]
 *     0 .. top: open, locked | reserved    0 .. top: open | reserved
 *
 * One reservation, so that "is this block ours" is one subtraction.  Units are
 * opened from the bottom as they are needed and stay open.  A free unit is
 * zero.  What the heap knows about a unit lies outside the range.
 */
#ifndef SM_UNITS_H
#define SM_UNITS_H

#include "words.h"

#define SM_UNIT 4096u
#define SM_LOCKED_UNITS ((size_t)1 << 17)
#define SM_UNLOCKED_UNITS ((size_t)1 << 20)
#define SM_ALL_UNITS (SM_LOCKED_UNITS + SM_UNLOCKED_UNITS)
#define SM_HEAP_LENGTH (SM_ALL_UNITS * SM_UNIT)
#define SM_NO_UNIT SIZE_MAX

enum sm_tier { SM_TIER_LOCKED = 0, SM_TIER_UNLOCKED = 1 };
enum sm_unit_use { SM_UNIT_FREE = 0, SM_UNIT_BLOCKS, SM_UNIT_RUN };

/* What lies in one unit or in a few neighbours; told by the first of them. */
struct sm_span {
    uint64_t taken[4]; /* a bit per block of a size class */
    struct sm_span *next;
    struct sm_span *before;
    size_t size;       /* bytes of one block; of a run, of its units */
    uint16_t blocks;
    uint16_t live;
    uint8_t use;       /* enum sm_unit_use */
    uint8_t lead;      /* in the units that follow the first: how far behind it */
    uint8_t class;
    bool listed;
};

/* Written by units.c only.  Before the start nothing is in range. */
extern uint8_t *sm_heap_base;
extern struct sm_span *sm_spans;

static inline bool sm_heap_has(const void *block) {
    return (uintptr_t)block - (uintptr_t)sm_heap_base < SM_HEAP_LENGTH;
}

static inline size_t sm_unit_of(const void *block) {
    return (size_t)((const uint8_t *)block - sm_heap_base) / SM_UNIT;
}

static inline uint8_t *sm_unit_address(size_t unit) {
    return sm_heap_base + unit * SM_UNIT;
}

static inline enum sm_tier sm_unit_tier(size_t unit) {
    return unit < SM_LOCKED_UNITS ? SM_TIER_LOCKED : SM_TIER_UNLOCKED;
}

/* Reserves the range, once. */
enum sm_status sm_units_start(void);
/* How many bytes may be locked; less than is locked already takes nothing back. */
void sm_units_set_budget(size_t bytes);
/* Locks a first piece now, so that a refusal is known before anything is served. */
enum sm_status sm_units_lock_some(void);

/* Neighbouring units of a tier; SM_NO_UNIT where it has none left.  Their spans
 * can be written. */
size_t sm_units_take(enum sm_tier tier, size_t count);
/* They must be zero. */
void sm_units_give(size_t unit, size_t count);

/* Whether a unit of a tier was ever opened: only then its span can be read. */
bool sm_units_are_open(enum sm_tier tier, size_t unit);
/* Whether this is a forked child that could not lock them again. */
bool sm_units_are_lost(void);

struct sm_units_counts {
    size_t budget;
    size_t locked;        /* bytes that are locked */
    size_t locked_used;   /* of those, in use */
    size_t unlocked;      /* bytes in use in the unlocked tier */
    size_t unlocked_peak;
    size_t refusals;      /* times that the kernel did not lock or open units, ever */
    bool lost;            /* this is a forked child that could not lock them again */
};
void sm_units_count(struct sm_units_counts *out);

#endif
