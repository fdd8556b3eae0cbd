/* inheritance.c: arenas over a fork.
 *
 *   at rest           no child gets any page (MADV_DONTFORK)
 *   before the fork   the runs of arenas that inherit are offered (MADV_DOFORK)
 *   in the parent     they are withdrawn
 *   in the child      run by run: protected, locked, frames of its own; then the
 *                     counts of views are those of the thread that forked.
 *                     A run that a call fails for is unmapped, and its secrets
 *                     are lost there (SM_FORKED).
 *
 * A secret that another thread was writing to is half-written: it is wiped in
 * the child, and lost there too.  What other threads were wiping is wiped.
 */
#include "inheritance.h"

#include "arena.h"
#include "gate.h"
#include "registry.h"
#include "secret.h"

static bool inherits(const sm_arena *arena) {
    return arena->policy.fork == SM_FORK_INHERIT;
}

static void each_run(void (*visit)(struct sm_pages *pages)) {
    for (sm_arena *arena = sm_arena_first(); arena != NULL; arena = arena->next) {
        if (!inherits(arena)) continue;
        for (struct sm_slab *slab = arena->slabs; slab != NULL; slab = slab->next) visit(&slab->pages);
    }
}

void sm_inheritance_offer(void) {
    each_run(sm_pages_offer);
}

void sm_inheritance_withdraw(void) {
    each_run(sm_pages_withdraw);
}

/* -- in the child -- */

static bool holds_secret(const struct sm_slot *slot) {
    return slot->state != SM_SLOT_FREE && slot->state != SM_SLOT_WIPED && slot->state != SM_SLOT_LOST;
}

static void lose(struct sm_slab *slab) {
    struct sm_statistics *counts = &slab->arena->counts;
    sm_pages_abandon(&slab->pages);
    for (size_t i = 0; i < slab->untouched; i++) counts->lost_secrets += holds_secret(&slab->slot[i]);
}

/* The views of the thread that forked are open, and nobody else's; true: another was writing. */
static bool recount(struct sm_slot *slot) {
    struct sm_window *window = sm_slot_window(slot);
    uint32_t writers = slot->writers;
    sm_views_keep_own(sm_slot_views(slot), &slot->readers, &slot->writers);
    window->readers += slot->readers;
    window->writers += slot->writers;
    slot->slab->arena->counts.open_windows += sm_secret_views(slot);
    return slot->writers < writers;
}

static void settle_slots(struct sm_slab *slab) {
    struct sm_statistics *counts = &slab->arena->counts;
    for (size_t i = 0; i < slab->untouched; i++) {
        struct sm_slot *slot = &slab->slot[i];
        if (slot->state == SM_SLOT_FREE) continue;
        bool torn = recount(slot);
        if (holds_secret(slot)) {
            counts->live_secrets++;
            counts->live_bytes += slot->length;
        }
        sm_secret_inherit(slot, torn);
        counts->lost_secrets += torn && slot->state == SM_SLOT_LOST;
    }
}

/* Into the lists that the arena keeps of its runs. */
static void enlist(sm_arena *arena, struct sm_slab *slab) {
    sm_arena_adopt(arena, slab);
    arena->taken += slab->live;
    if (slab->size_class >= 0) {
        struct sm_size_class *class = &arena->classes[slab->size_class];
        if (slab->live < slab->slots) sm_arena_list_free(slab);
        if (slab->live == 0) class->spare = slab;
    } else if (slab->live == 0) {
        slab->next_free = arena->cached;
        arena->cached = slab;
        arena->cached_bytes += slab->pages.layout.span_length;
    }
}

static void keep(sm_arena *arena, struct sm_slab *slab) {
    enlist(arena, slab);
    slab->generation = sm_generation();
    for (size_t i = 0; i < slab->pages.layout.spans; i++) {
        struct sm_window *window = &slab->windows[i];
        window->readers = window->writers = 0;
        window->access = SM_ACCESS_WRITE;
        window->stuck = false;
    }
    settle_slots(slab);
    for (size_t i = 0; i < slab->pages.layout.spans; i++) sm_window_rest(&slab->windows[i]);
}

static void take_over(sm_arena *arena) {
    struct sm_slab *slab = arena->slabs;
    arena->generation = sm_generation();
    arena->slabs = arena->cached = NULL;
    arena->cached_bytes = arena->taken = 0;
    arena->counts = (struct sm_statistics){.lost_secrets = arena->counts.lost_secrets};
    for (size_t i = 0; i < SM_SIZE_CLASSES; i++) arena->classes[i].free = arena->classes[i].spare = NULL;
    while (slab != NULL) {
        struct sm_slab *next = slab->next;
        if (sm_pages_take_over(&slab->pages)) keep(arena, slab);
        else lose(slab);
        slab = next;
    }
    sm_arena_enlist(arena);
}

static void abandon(sm_arena *arena) {
    for (struct sm_slab *slab = arena->slabs; slab != NULL; slab = slab->next) sm_pages_abandon(&slab->pages);
}

void sm_inheritance_settle(bool announced) {
    sm_arena *arena = sm_arena_first();
    sm_arena_forget_list();
    sm_slab_forget_leftovers();
    sm_windows_forget_all();
    sm_pages_forget();
    sm_secret_forget_pending();
    while (arena != NULL) {
        sm_arena *next = arena->next;
        if (announced && inherits(arena)) take_over(arena);
        else abandon(arena);
        arena = next;
    }
    sm_arena_forget_default();
}
