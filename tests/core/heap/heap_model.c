/* heap_model.c: the crypto heap against a model of it.
 *
 *   heap_model OPERATIONS SEED BUDGET
 *
 * The model knows of each live block where it lies, how long it is and what
 * was written there.  Each new block must be aligned, zero, and not overlap
 * one that lives; each old one must hold what was written; a freed block must
 * be zero at once; counts must be those of the model.  Ends with 0 and the
 * number of operations, or aborts and says what differs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "securemem.h"
#include "os.h"

#define MOST 3000

struct known {
    uint8_t *block;
    size_t length;
    uint8_t value;
};

static struct known live[MOST];
static size_t count;
static uint64_t state;
static size_t operation;

static void must(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "heap_model: operation %zu: %s\n", operation, what);
    abort();
}

static uint64_t next(void) { /* xorshift64* */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 2685821657736338717u;
}

static size_t some_length(void) {
    switch (next() % 16) {
    case 0: return next() % (64 * 1024);
    case 1: return 4000 + next() % 200;
    case 2: return next() % 500 == 0 ? SM_HEAP_LARGE - 4 + next() % 8 : next() % 8192;
    default: return next() % 600;
    }
}

static size_t some_alignment(void) {
    return next() % 8 == 0 ? (size_t)1 << (next() % 13) : 0;
}

static void check(const struct known *one) {
    for (size_t i = 0; i < one->length; i++) must(one->block[i] == one->value, "a block changed");
}

/* Overlap is found by contents: two blocks hold different bytes. */
static void take(void) {
    struct known *one = &live[count];
    size_t alignment = some_alignment();
    one->length = some_length();
    one->block = sm_heap_take(one->length, alignment);
    must(one->block != NULL, "no block");
    must(sm_heap_has(one->block), "a block out of range");
    must(sm_heap_size(one->block) >= one->length, "a block too small");
    must((uintptr_t)one->block % (alignment > 16 ? alignment : 16) == 0, "a block not aligned");
    for (size_t i = 0; i < one->length; i++) must(one->block[i] == 0, "a new block is not zero");
    one->value = (uint8_t)(1 + next() % 255);
    one->length = sm_heap_size(one->block); /* all of it may be used */
    memset(one->block, one->value, one->length);
    count++;
}

static void give(void) {
    struct known *one = &live[next() % count];
    check(one);
    uint8_t *block = one->block;
    bool discarded = sm_unit_tier(sm_unit_of(block)) == SM_TIER_UNLOCKED && one->length > 1024 * 64;
    sm_heap_return(block);
    for (size_t i = 0; i < one->length && !discarded; i++) must(block[i] == 0, "a freed block is not zero");
    *one = live[--count];
}

static void count_all(size_t budget) {
    struct sm_heap_statistics found;
    size_t bytes = 0;
    sm_heap_count(&found);
    for (size_t i = 0; i < count; i++) bytes += live[i].length;
    must(found.live_blocks == count, "the count of blocks differs");
    must(found.live_bytes == bytes, "the sum of their sizes differs");
    must(found.units.locked <= budget, "more is locked than the budget");
    must(found.units.locked_used + found.units.unlocked >= bytes, "blocks lie in fewer units than they fill");
    must((found.overflow == 0) == sm_heap_is_locked(), "locked, and not");
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    size_t operations = strtoull(argv[1], NULL, 10);
    state = strtoull(argv[2], NULL, 10) * 2 + 1;
    size_t budget = strtoull(argv[3], NULL, 10);
    must(sm_heap_take(1, 0) == NULL, "a block before the start");
    must(sm_start() == SM_OK, "core");
    must(sm_heap_start(budget) == SM_OK, "start");
    for (operation = 0; operation < operations; operation++) {
        size_t wanted = MOST / 2 + (operation >> 14) % 2 * (MOST / 2 - 1); /* it breathes */
        if (count == 0 || (count < wanted && next() % 3 != 0)) take();
        else give();
        if (operation % 65536 == 0) count_all(budget);
    }
    while (count > 0) give();
    struct sm_heap_statistics found;
    sm_heap_count(&found);
    must(found.live_blocks == 0 && found.live_bytes == 0 && found.overflow == 0, "something is left");
    must(found.units.unlocked == 0, "units of the unlocked tier are left");
    must(found.units.unlocked_peak > 0 || budget > (size_t)64 << 20, "the budget was never passed");
    printf("operations %zu\n", operations);
    return 0;
}
