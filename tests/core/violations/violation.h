/* violation.h: a secret for a program that breaks one rule. */
#ifndef VIOLATION_H
#define VIOLATION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "securemem.h"

static inline void must(bool true_so_far, const char *what) {
    if (true_so_far) return;
    fprintf(stderr, "the program did not come to its violation: %s\n", what);
    exit(99);
}

static inline sm_arena *arena_of(int at_rest) {
    struct sm_policy policy = {.at_rest = at_rest, .lock = SM_LOCK_REQUIRE};
    sm_arena *arena;
    must(sm_start() == SM_OK && sm_arena_create(&arena, &policy) == SM_OK, "arena");
    return arena;
}

static inline sm_slot *taken(sm_arena *arena, size_t length) {
    sm_slot *slot;
    must(sm_secret_take(&slot, arena, length) == SM_OK, "take");
    return slot;
}

/* volatile, so that the compiler keeps the access that is wrong. */
static inline volatile uint8_t *opened(sm_slot *slot, bool writable) {
    uint8_t *data;
    must(sm_secret_open(slot, &data, writable) == SM_OK, "open");
    return data;
}

#endif
