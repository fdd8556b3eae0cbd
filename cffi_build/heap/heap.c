/* heap.c: blocks of the crypto heap: size classes, runs of units, and the
 * checks on what is given back.
 */
#include "heap.h"

#include <stdatomic.h>
#include <string.h>

#include "heap_gate.h"
#include "os.h"
#include "wipe.h"

#define GRAIN 16u
#define LARGEST_BLOCK SM_UNIT
#define LARGE_SPAN_FROM 1024u /* bytes: blocks above lie in spans of four units, so that little is left over */

static const uint16_t sizes[SM_HEAP_CLASSES] = {16,  32,  48,  64,  80,  96,   112,  128,  160,  192,  224,  256,  320,  384,
                                                448, 512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096};
/* For offsets up to 16 KiB: offset / size is offset * reciprocal >> bits. */
#define RECIPROCAL_BITS 32
static uint64_t reciprocal[SM_HEAP_CLASSES];
static uint8_t class_of[LARGEST_BLOCK / GRAIN + 1];

/* Spans that have a block free, by class and tier; under the class's mutex. */
static struct sm_span *partial[SM_HEAP_CLASSES][2];
static size_t live_blocks[SM_HEAP_CLASSES]; /* the same */
static atomic_size_t live_runs, live_run_bytes;
static atomic_size_t overflow;
static atomic_bool large_locked;
static bool started;
atomic_bool sm_heap_serving = false;

static void fail(const char *message) {
    sm_os_abort(message);
}

enum sm_status sm_heap_start(size_t budget) {
    if (!started) {
        enum sm_status status = sm_units_start();
        if (status != SM_OK) return status;
        for (unsigned i = 0, class = 0; i <= LARGEST_BLOCK / GRAIN; i++) {
            while (sizes[class] < i * GRAIN) class++;
            class_of[i] = (uint8_t)class;
        }
        for (unsigned class = 0; class < SM_HEAP_CLASSES; class++) {
            reciprocal[class] = ((uint64_t)1 << RECIPROCAL_BITS) / sizes[class] + 1;
        }
        started = true;
    }
    sm_units_set_budget(budget);
    return SM_OK;
}

bool sm_heap_is_started(void) {
    return started;
}

void sm_heap_serve(bool serving) {
    atomic_store(&sm_heap_serving, serving);
}

void sm_heap_lock_large(bool locked) {
    atomic_store(&large_locked, locked);
}

/* -- spans and their lists -- */

static struct sm_span **list_of(const struct sm_span *span) {
    return &partial[span->class][sm_unit_tier((size_t)(span - sm_spans))];
}

static void list_add(struct sm_span *span) {
    struct sm_span **list = list_of(span);
    span->before = NULL;
    span->next = *list;
    if (*list != NULL) (*list)->before = span;
    *list = span;
    span->listed = true;
}

static void list_remove(struct sm_span *span) {
    struct sm_span **list = list_of(span);
    if (span->before != NULL) span->before->next = span->next;
    else *list = span->next;
    if (span->next != NULL) span->next->before = span->before;
    span->next = span->before = NULL;
    span->listed = false;
}

static size_t span_units(size_t size) {
    return size > LARGE_SPAN_FROM ? 4 : 1;
}

static struct sm_span *make_span(unsigned class, enum sm_tier tier) {
    size_t units = span_units(sizes[class]);
    size_t unit = sm_units_take(tier, units);
    if (unit == SM_NO_UNIT) return NULL;
    struct sm_span *span = &sm_spans[unit];
    memset(span, 0, units * sizeof *span);
    span->size = sizes[class];
    span->blocks = (uint16_t)(units * SM_UNIT / sizes[class]);
    span->class = (uint8_t)class;
    for (size_t i = 0; i < units; i++) {
        span[i].use = SM_UNIT_BLOCKS;
        span[i].lead = (uint8_t)i;
    }
    list_add(span);
    return span;
}

static void drop_span(struct sm_span *span) {
    size_t units = span_units(span->size);
    list_remove(span);
    for (size_t i = 0; i < units; i++) span[i].use = SM_UNIT_FREE;
    sm_units_give((size_t)(span - sm_spans), units);
}

/* The first free block; a span in a list has one. */
static size_t take_bit(struct sm_span *span) {
    size_t word = 0;
    while (span->taken[word] == UINT64_MAX) word++;
    size_t bit = (size_t)__builtin_ctzll(~span->taken[word]);
    span->taken[word] |= (uint64_t)1 << bit;
    return word * 64 + bit;
}

static void *take_block(unsigned class) {
    if (!sm_heap_enter(class)) return NULL;
    struct sm_span *span = partial[class][SM_TIER_LOCKED];
    if (span == NULL) span = make_span(class, SM_TIER_LOCKED);
    if (span == NULL) span = partial[class][SM_TIER_UNLOCKED];
    if (span == NULL) span = make_span(class, SM_TIER_UNLOCKED);
    void *block = NULL;
    if (span != NULL) {
        size_t unit = (size_t)(span - sm_spans);
        block = sm_unit_address(unit) + take_bit(span) * span->size;
        if (++span->live == span->blocks) list_remove(span);
        live_blocks[class]++;
        if (sm_unit_tier(unit) == SM_TIER_UNLOCKED) atomic_fetch_add(&overflow, span->size);
    }
    sm_heap_leave(class);
    return block;
}

static void *take_run(size_t length) {
    if (length > SM_HEAP_LENGTH) return NULL;
    size_t units = (length + SM_UNIT - 1) / SM_UNIT;
    bool may_lock = length <= SM_HEAP_LARGE || atomic_load(&large_locked);
    size_t unit = may_lock ? sm_units_take(SM_TIER_LOCKED, units) : SM_NO_UNIT;
    if (unit == SM_NO_UNIT) unit = sm_units_take(SM_TIER_UNLOCKED, units);
    if (unit == SM_NO_UNIT) return NULL;
    if (may_lock && sm_unit_tier(unit) == SM_TIER_UNLOCKED) atomic_fetch_add(&overflow, units * SM_UNIT);
    struct sm_span *span = &sm_spans[unit];
    memset(span, 0, sizeof *span);
    span->size = units * SM_UNIT;
    span->listed = may_lock; /* counts as overflow where it is unlocked */
    span->use = SM_UNIT_RUN;
    atomic_fetch_add(&live_runs, 1);
    atomic_fetch_add(&live_run_bytes, span->size);
    return sm_unit_address(unit);
}

void *sm_heap_take(size_t length, size_t alignment) {
    if (!started || alignment > SM_HEAP_LARGEST_ALIGNMENT) return NULL;
    if (length == 0) length = 1;
    if (alignment > GRAIN && length <= LARGEST_BLOCK) { /* blocks of a power of two lie at multiples of it */
        size_t power = alignment;
        while (power < length) power *= 2;
        length = power;
    }
    if (length > LARGEST_BLOCK) return take_run(length);
    return take_block(class_of[(length + GRAIN - 1) / GRAIN]);
}

/* -- giving back -- */

/* The span that a block says it lies in; its fields are steady while it lives. */
static struct sm_span *span_of(const void *block) {
    size_t unit = sm_unit_of(block);
    enum sm_tier tier = sm_unit_tier(unit);
    if (!sm_units_are_open(tier, unit)) fail("crypto heap: a pointer that is no block was freed");
    struct sm_span *span = &sm_spans[unit];
    if (span->use == SM_UNIT_BLOCKS) return span - span->lead;
    if (span->use == SM_UNIT_FREE) fail("crypto heap: a block was freed twice, or a pointer that is no block was freed");
    return span;
}

size_t sm_heap_size(const void *block) {
    return span_of(block)->size;
}

static void return_run(struct sm_span *span, void *block) {
    size_t unit = (size_t)(span - sm_spans);
    if (block != sm_unit_address(unit)) fail("crypto heap: a pointer into a block was freed");
    size_t length = span->size;
    sm_wipe(block, length);
    bool counted = span->listed && sm_unit_tier(unit) == SM_TIER_UNLOCKED;
    if (__atomic_exchange_n(&span->use, (uint8_t)SM_UNIT_FREE, __ATOMIC_ACQ_REL) != SM_UNIT_RUN) {
        fail("crypto heap: a block was freed twice");
    }
    atomic_fetch_sub(&live_runs, 1);
    atomic_fetch_sub(&live_run_bytes, length);
    if (counted) atomic_fetch_sub(&overflow, length);
    sm_units_give(unit, length / SM_UNIT);
}

void sm_heap_return(void *block) {
    struct sm_span *span = span_of(block);
    if (span->use == SM_UNIT_RUN) {
        return_run(span, block);
        return;
    }
    size_t unit = (size_t)(span - sm_spans);
    size_t offset = (size_t)((uint8_t *)block - sm_unit_address(unit));
    size_t index = offset * reciprocal[span->class] >> RECIPROCAL_BITS;
    if (index * span->size != offset || index >= span->blocks) fail("crypto heap: a pointer into a block was freed");
    unsigned class = span->class;
    sm_wipe(block, span->size);
    if (!sm_heap_enter(class)) return; /* wiped, and left where it is */
    uint64_t bit = (uint64_t)1 << (index % 64);
    if (!(span->taken[index / 64] & bit)) fail("crypto heap: a block was freed twice");
    span->taken[index / 64] &= ~bit;
    live_blocks[class]--;
    if (sm_unit_tier(unit) == SM_TIER_UNLOCKED) atomic_fetch_sub(&overflow, span->size);
    if (span->live-- == span->blocks) list_add(span);
    bool kept = span->next == NULL && span->before == NULL && sm_unit_tier(unit) == SM_TIER_LOCKED;
    if (span->live == 0 && !kept) drop_span(span); /* the only one with room is kept */
    sm_heap_leave(class);
}

/* -- counting -- */

bool sm_heap_is_locked(void) {
    return atomic_load_explicit(&overflow, memory_order_relaxed) == 0 && !sm_units_are_lost();
}

void sm_heap_count(struct sm_heap_statistics *out) {
    memset(out, 0, sizeof *out);
    if (!started) return;
    sm_units_count(&out->units);
    for (unsigned class = 0; class < SM_HEAP_CLASSES; class++) {
        if (!sm_heap_enter(class)) continue;
        out->live_blocks += live_blocks[class];
        out->live_bytes += live_blocks[class] * sizes[class];
        sm_heap_leave(class);
    }
    out->live_blocks += atomic_load(&live_runs);
    out->live_bytes += atomic_load(&live_run_bytes);
    out->overflow = atomic_load(&overflow);
}
