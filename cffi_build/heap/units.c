/* units.c: the reservation of the crypto heap and its two tiers.
 *
 * Locked units are page locks like others (locks/page_locks.c), so that
 * unlock_all() leaves them locked and verify_locks() sees to them.  Children
 * inherit all of it: cryptography's objects live on there and crash without
 * their memory.  Before a child runs code of its own, its units are locked
 * again; mlock copies the pages for that.
 */
#include "units.h"

#include <errno.h>
#include <string.h>

#include "failure.h"
#include "heap_gate.h"
#include "os.h"
#include "page_locks.h"

#define STEP 16             /* units opened at once: 64 KiB */
#define PATIENCE 64         /* requests served elsewhere after the kernel refused to lock */
#define DISCARD_FROM 64     /* units from which a run's frames go back to the kernel */
#define WORD 64

struct tier {
    size_t first;  /* its first unit */
    size_t length; /* units */
    size_t top;    /* units that are open */
    size_t free;   /* of those, not in use */
    size_t lowest; /* no free unit lies below */
    uint64_t *bits;
};

uint8_t *sm_heap_base = (uint8_t *)(UINTPTR_MAX - SM_HEAP_LENGTH + 1); /* nobody's addresses */
struct sm_span *sm_spans;

static uint64_t locked_bits[SM_LOCKED_UNITS / WORD];
static uint64_t unlocked_bits[SM_UNLOCKED_UNITS / WORD];
static struct tier tiers[] = {
    {.first = 0, .length = SM_LOCKED_UNITS, .bits = locked_bits},
    {.first = SM_LOCKED_UNITS, .length = SM_UNLOCKED_UNITS, .bits = unlocked_bits},
};
static struct sm_units_counts counts;
static size_t waiting; /* requests until locking is tried again */

static size_t spans_length(void) {
    size_t page = sm_os_page_size();
    return (SM_ALL_UNITS * sizeof(struct sm_span) + page - 1) / page * page;
}

/* -- the free units of a tier -- */

static bool is_free(const struct tier *tier, size_t at) {
    return tier->bits[at / WORD] >> (at % WORD) & 1;
}

static void mark(struct tier *tier, size_t at, size_t count, bool is_now_free) {
    for (size_t i = at; i < at + count; i++) {
        uint64_t bit = (uint64_t)1 << (i % WORD);
        if (is_now_free) tier->bits[i / WORD] |= bit;
        else tier->bits[i / WORD] &= ~bit;
    }
}

/* The first stretch of so many free units. */
static size_t find(struct tier *tier, size_t count) {
    if (tier->free < count) return SM_NO_UNIT;
    size_t run = 0;
    bool passed = false; /* a free unit that was too little */
    for (size_t i = tier->lowest; i < tier->top; i++) {
        if (i % WORD == 0 && tier->bits[i / WORD] == 0) {
            passed = passed || run > 0;
            run = 0;
            i += WORD - 1;
        } else if (!is_free(tier, i)) {
            passed = passed || run > 0;
            run = 0;
        } else if (++run == count) {
            if (!passed) tier->lowest = i + 1;
            return i + 1 - count;
        }
    }
    return SM_NO_UNIT;
}

/* -- opening more -- */

static size_t rounded(size_t units) {
    size_t page = sm_os_page_size() / SM_UNIT;
    return page <= 1 ? units : (units + page - 1) / page * page;
}

static int open_spans(size_t unit, size_t units) {
    uintptr_t page = sm_os_page_size();
    uintptr_t start = (uintptr_t)&sm_spans[unit] / page * page;
    uintptr_t end = ((uintptr_t)&sm_spans[unit + units] + page - 1) / page * page;
    return sm_os_protect((void *)start, end - start, SM_ACCESS_WRITE);
}

static enum sm_status open_units(struct tier *tier, size_t units) {
    uint8_t *address = sm_unit_address(tier->first + tier->top);
    size_t length = units * SM_UNIT;
    int error = open_spans(tier->first + tier->top, units);
    if (error == 0) error = sm_os_protect(address, length, SM_ACCESS_WRITE);
    if (error != 0) return sm_fail_by_error(error);
    if (tier == &tiers[SM_TIER_LOCKED]) {
        uint64_t ticket;
        enum sm_status status = sm_page_lock(&ticket, address, length, false);
        if (status != SM_OK) { /* nothing was written there: zero, and unlocked again */
            sm_os_protect(address, length, SM_ACCESS_NONE);
            return status;
        }
        counts.locked += length;
    }
    mark(tier, tier->top, units, true);
    if (tier->top < tier->lowest) tier->lowest = tier->top;
    __atomic_store_n(&tier->top, tier->top + units, __ATOMIC_RELAXED);
    tier->free += units;
    return SM_OK;
}

/* Units that still fit into the tier, and into the budget. */
static size_t room(const struct tier *tier) {
    size_t left = tier->length - tier->top;
    if (tier != &tiers[SM_TIER_LOCKED]) return left;
    size_t payable = counts.budget > counts.locked ? (counts.budget - counts.locked) / SM_UNIT : 0;
    return payable < left ? payable : left;
}

static bool grow(struct tier *tier, size_t count) {
    bool locks = tier == &tiers[SM_TIER_LOCKED];
    if (locks && (counts.lost || sm_heap_is_forking())) return false;
    if (locks && waiting > 0) {
        waiting--;
        return false;
    }
    size_t least = rounded(count);
    size_t units = least < STEP ? rounded(STEP) : least;
    if (units > room(tier)) units = least;
    if (units > room(tier)) return false;
    int kept = errno; /* malloc that succeeds, and free, leave it alone */
    enum sm_status status = open_units(tier, units);
    counts.refusals += status != SM_OK;
    if (status != SM_OK && units > least) {
        status = open_units(tier, least);
        counts.refusals += status != SM_OK;
    }
    errno = kept;
    if (status == SM_OK) return true;
    if (locks) waiting = PATIENCE;
    return false;
}

size_t sm_units_take(enum sm_tier which, size_t count) {
    struct tier *tier = &tiers[which];
    if (count > tier->length || !sm_heap_enter(SM_HEAP_UNITS)) return SM_NO_UNIT;
    size_t at = find(tier, count);
    if (at == SM_NO_UNIT && grow(tier, count)) at = find(tier, count);
    if (at != SM_NO_UNIT) {
        mark(tier, at, count, false);
        tier->free -= count;
        at += tier->first;
    }
    if (which == SM_TIER_UNLOCKED && at != SM_NO_UNIT) {
        counts.unlocked += count * SM_UNIT;
        if (counts.unlocked > counts.unlocked_peak) counts.unlocked_peak = counts.unlocked;
    }
    sm_heap_leave(SM_HEAP_UNITS);
    return at;
}

/* Argon2's blocks would otherwise stay in RAM for good. */
static void discard_frames(size_t unit, size_t count) {
    uintptr_t page = sm_os_page_size();
    uintptr_t start = ((uintptr_t)sm_unit_address(unit) + page - 1) / page * page;
    uintptr_t end = (uintptr_t)sm_unit_address(unit + count) / page * page;
    int kept = errno;
    if (start < end) sm_os_discard((void *)start, end - start); /* a kernel that cannot leaves them: zero */
    errno = kept;
}

void sm_units_give(size_t unit, size_t count) {
    enum sm_tier which = sm_unit_tier(unit);
    struct tier *tier = &tiers[which];
    if (which == SM_TIER_UNLOCKED && count >= DISCARD_FROM) discard_frames(unit, count);
    if (!sm_heap_enter(SM_HEAP_UNITS)) return;
    size_t at = unit - tier->first;
    mark(tier, at, count, true);
    tier->free += count;
    if (at < tier->lowest) tier->lowest = at;
    if (which == SM_TIER_UNLOCKED) counts.unlocked -= count * SM_UNIT;
    sm_heap_leave(SM_HEAP_UNITS);
}

/* Read without the mutex: a unit that is in use was opened before. */
bool sm_units_are_open(enum sm_tier tier, size_t unit) {
    return unit - tiers[tier].first < __atomic_load_n(&tiers[tier].top, __ATOMIC_RELAXED);
}

bool sm_units_are_lost(void) {
    return counts.lost;
}

/* -- the whole -- */

static void lock_again(void) {
    uint64_t ticket;
    size_t length = tiers[SM_TIER_LOCKED].top * SM_UNIT;
    counts.lost = length > 0 && sm_page_lock(&ticket, sm_heap_base, length, false) != SM_OK;
    counts.locked = counts.lost ? 0 : length;
}

enum sm_status sm_units_start(void) {
    void *base = NULL;
    void *spans = NULL;
    if (sm_os_reserve(&base, SM_HEAP_LENGTH) != 0) return sm_fail(SM_NO_MEMORY);
    int error = sm_os_exclude_from_dumps(base, SM_HEAP_LENGTH);
    if (error == 0) error = sm_os_exclude_from_merging(base, SM_HEAP_LENGTH);
    if (error == 0) error = sm_os_exclude_from_huge_pages(base, SM_HEAP_LENGTH);
    enum sm_status status = error == 0 ? SM_OK : sm_fail_by_error(error);
    if (status == SM_OK && sm_os_reserve(&spans, spans_length()) != 0) status = sm_fail(SM_NO_MEMORY);
    if (status == SM_OK) status = sm_heap_gate_start(lock_again);
    if (status != SM_OK) {
        sm_os_unmap(base, SM_HEAP_LENGTH);
        if (spans != NULL) sm_os_unmap(spans, spans_length());
        return status;
    }
    sm_spans = spans;
    sm_heap_base = base;
    sm_page_locks_keep(base, SM_LOCKED_UNITS * SM_UNIT);
    return SM_OK;
}

void sm_units_set_budget(size_t bytes) {
    if (!sm_heap_enter(SM_HEAP_UNITS)) return;
    counts.budget = bytes;
    waiting = 0;
    sm_heap_leave(SM_HEAP_UNITS);
}

enum sm_status sm_units_lock_some(void) {
    struct tier *tier = &tiers[SM_TIER_LOCKED];
    if (!sm_heap_enter(SM_HEAP_UNITS)) return SM_FORKED;
    enum sm_status status = SM_OK;
    size_t units = room(tier) < STEP ? room(tier) : rounded(STEP);
    if (tier->top == 0 && units > 0) status = open_units(tier, units);
    sm_heap_leave(SM_HEAP_UNITS);
    return status;
}

void sm_units_count(struct sm_units_counts *out) {
    memset(out, 0, sizeof *out);
    if (!sm_heap_enter(SM_HEAP_UNITS)) return;
    *out = counts;
    out->locked_used = (tiers[SM_TIER_LOCKED].top - tiers[SM_TIER_LOCKED].free) * SM_UNIT;
    sm_heap_leave(SM_HEAP_UNITS);
}
