/* visit.c: each slot that is in use, of an arena or of all. */
#include "visit.h"

void sm_visit_arena(sm_arena *arena, void (*visit)(struct sm_slot *slot, void *context), void *context) {
    bool held = arena->held;
    arena->held = true; /* or giving back the last slot would free it under our feet */
    struct sm_slab *next_slab;
    for (struct sm_slab *slab = arena->slabs; slab != NULL; slab = next_slab) {
        next_slab = slab->next; /* giving back the last slot may free the slab */
        size_t left = slab->live;
        for (size_t i = 0; left > 0; i++) {
            if (slab->slot[i].state == SM_SLOT_FREE) continue;
            left--;
            visit(&slab->slot[i], context);
        }
    }
    arena->held = held;
    sm_arena_free_if_unused(arena);
}

void sm_visit_all(void (*visit)(struct sm_slot *slot, void *context), void *context) {
    struct sm_arena *next;
    for (struct sm_arena *arena = sm_arena_first(); arena != NULL; arena = next) {
        next = arena->next; /* giving back the last slot may free the arena */
        sm_visit_arena(arena, visit, context);
    }
}
