/* arena.c: size classes, growth, and what is kept for later.
 *
 * A class grows by runs of one page, then two, four, up to MAX_RUN_PAGES.  At
 * a limit a run is halved until one page remains; then what lies idle in any
 * arena is given back to the kernel, and only then does the request fail.
 * One empty slab per class and a bounded cache of large runs stay mapped, so
 * that making and dropping secrets in turn costs no system call.
 *
 * A secret made after another was released may be as short-lived: it gets a
 * page to itself, where one is left.  There its life asks the kernel for two
 * changes of access, and beside others for four.
 *
 * In no-access arenas a guard page stands between all pages, so that opening one
 * neither splits nor merges a kernel mapping.  That takes two mappings a page;
 * past SHARE_OF_MAPPINGS of what the kernel allows, runs go without.
 */
#include "arena.h"

#include <stdint.h>
#include <stdlib.h>

#define MAX_RUN_PAGES 64
#define SHARE_OF_MAPPINGS 4 /* a quarter */
#define MAX_CACHED_BYTES ((size_t)2 << 20)

/* Chosen so that slots and canaries leave little of a 4 KiB page over. */
static const uint16_t slot_sizes[SM_SIZE_CLASSES] = {16, 32, 48, 64, 96, 128, 192, 256, 384, 576, 808, 1352, 2040, SM_SLAB_MAX};

int sm_arena_class_of(size_t length) {
    int i = 0;
    while (slot_sizes[i] < length) i++;
    return i;
}

size_t sm_arena_slot_size(int size_class) {
    return slot_sizes[size_class];
}

/* -- slabs of an arena -- */

void sm_arena_list_free(struct sm_slab *slab) {
    struct sm_slab **head = &slab->arena->classes[slab->size_class].free;
    slab->previous_free = NULL;
    slab->next_free = *head;
    if (*head != NULL) (*head)->previous_free = slab;
    *head = slab;
}

static void unlink_free(struct sm_slab *slab) {
    struct sm_slab **head = &slab->arena->classes[slab->size_class].free;
    if (slab->previous_free != NULL) slab->previous_free->next_free = slab->next_free;
    else *head = slab->next_free;
    if (slab->next_free != NULL) slab->next_free->previous_free = slab->previous_free;
}

void sm_arena_adopt(sm_arena *arena, struct sm_slab *slab) {
    const struct sm_layout *layout = &slab->pages.layout;
    slab->arena = arena;
    slab->previous = NULL;
    slab->next = arena->slabs;
    if (arena->slabs != NULL) arena->slabs->previous = slab;
    arena->slabs = slab;
    arena->counts.runs++;
    arena->counts.page_bytes += sm_pages_bytes(layout);
    if (layout->locked) arena->counts.locked_bytes += sm_pages_bytes(layout);
    else arena->unlocked = true;
    if (layout->inherited) arena->counts.inherited_bytes += sm_pages_bytes(layout);
    arena->counts.mappings += sm_pages_mappings(layout);
}

static void drop(struct sm_slab *slab) {
    sm_arena *arena = slab->arena;
    const struct sm_layout *layout = &slab->pages.layout;
    if (slab->previous != NULL) slab->previous->next = slab->next;
    else arena->slabs = slab->next;
    if (slab->next != NULL) slab->next->previous = slab->previous;
    arena->counts.runs--;
    arena->counts.page_bytes -= sm_pages_bytes(layout);
    if (layout->locked) arena->counts.locked_bytes -= sm_pages_bytes(layout);
    if (layout->inherited) arena->counts.inherited_bytes -= sm_pages_bytes(layout);
    arena->counts.mappings -= sm_pages_mappings(layout);
    sm_slab_destroy(slab);
}

size_t sm_arena_drop_idle(sm_arena *arena) {
    size_t before = arena->counts.page_bytes;
    for (size_t i = 0; i < SM_SIZE_CLASSES; i++) {
        struct sm_slab *spare = arena->classes[i].spare;
        arena->classes[i].spare = NULL;
        if (spare == NULL) continue;
        unlink_free(spare);
        drop(spare);
    }
    while (arena->cached != NULL) {
        struct sm_slab *slab = arena->cached;
        arena->cached = slab->next_free;
        drop(slab);
    }
    arena->cached_bytes = 0;
    return before - arena->counts.page_bytes;
}

/* -- the list of arenas -- */

static struct sm_arena *arenas;

sm_arena *sm_arena_first(void) {
    return arenas;
}

void sm_arena_enlist(sm_arena *arena) {
    arena->next = arenas;
    arenas = arena;
}

void sm_arena_forget_list(void) {
    arenas = NULL;
}

void sm_arena_free_if_unused(sm_arena *arena) {
    if (arena->held || arena->taken > 0) return;
    sm_arena_drop_idle(arena);
    struct sm_arena **link = &arenas;
    while (*link != arena) link = &(*link)->next;
    *link = arena->next;
    free(arena);
}

static size_t drop_idle_everywhere(void) {
    size_t dropped = 0;
    for (sm_arena *arena = sm_arena_first(); arena != NULL; arena = arena->next) dropped += sm_arena_drop_idle(arena);
    return dropped;
}

static bool may_guard_each(const sm_arena *arena, size_t spans) {
    if (arena->policy.at_rest != SM_AT_REST_NOACCESS) return false;
    static size_t allowed;
    if (allowed == 0) allowed = sm_os_max_mappings() / SHARE_OF_MAPPINGS;
    size_t mappings = 2 * spans + 1;
    for (const sm_arena *each = sm_arena_first(); each != NULL; each = each->next) mappings += each->counts.mappings;
    return mappings <= allowed;
}

/* A slab of so many spans, or of fewer where a limit asks for it. */
static enum sm_status grow(sm_arena *arena, struct sm_slab **out, size_t slot_size, size_t span_length, size_t spans) {
    bool reclaimed = false;
    bool locked = true;
    for (;;) {
        size_t left = arena->policy.max_bytes - arena->counts.page_bytes;
        enum sm_status status = SM_FULL;
        if (arena->policy.max_bytes == 0 || left / span_length >= spans) {
            struct sm_layout layout = {.span_length = span_length,
                                       .spans = spans,
                                       .guard_each = may_guard_each(arena, spans),
                                       .backend = arena->policy.backend,
                                       .locked = locked,
                                       .inherited = arena->policy.fork == SM_FORK_INHERIT};
            status = sm_slab_create(out, &layout, slot_size, arena->policy.at_rest);
        }
        if (status == SM_OK) {
            sm_arena_adopt(arena, *out);
            return SM_OK;
        }
        if (status == SM_REFUSED || status == SM_NO_BACKEND) return status;
        if (spans > 1) {
            spans /= 2;
            continue;
        }
        if (!reclaimed) {
            reclaimed = true;
            if ((status == SM_FULL ? sm_arena_drop_idle(arena) : drop_idle_everywhere()) > 0) continue;
        }
        bool unlockable = (status == SM_LOCK_LIMIT || status == SM_LOCK_FAILED) && arena->policy.backend == SM_BACKEND_MLOCK;
        if (!unlockable || arena->policy.lock != SM_LOCK_WARN || !locked) return status;
        locked = false;
    }
}

/* -- slots -- */

static enum sm_status take_small(sm_arena *arena, struct sm_slot **out, size_t length) {
    int size_class = sm_arena_class_of(length);
    struct sm_size_class *class = &arena->classes[size_class];
    struct sm_slab *slab = class->free;
    if (slab == NULL) {
        enum sm_status status = grow(arena, &slab, slot_sizes[size_class], sm_os_page_size(), class->next_pages);
        if (status != SM_OK) return status;
        size_t pages = slab->pages.layout.spans;
        class->next_pages = pages < MAX_RUN_PAGES ? pages * 2 : MAX_RUN_PAGES;
        slab->size_class = size_class;
        sm_arena_list_free(slab);
    }
    if (class->released) sm_slab_prefer_empty(slab);
    class->released = false;
    *out = sm_slab_pop(slab, length);
    if (slab == class->spare) class->spare = NULL;
    if (slab->live == slab->slots) unlink_free(slab);
    return SM_OK;
}

static enum sm_status take_large(sm_arena *arena, struct sm_slot **out, size_t length) {
    size_t page = sm_os_page_size();
    if (length > (size_t)PTRDIFF_MAX - 4 * page) return SM_BAD_SIZE;
    size_t span_length = (length + page - 1) / page * page;
    struct sm_slab **link = &arena->cached;
    while (*link != NULL && (*link)->pages.layout.span_length != span_length) link = &(*link)->next_free;
    struct sm_slab *slab = *link;
    if (slab != NULL) {
        *link = slab->next_free;
        arena->cached_bytes -= span_length;
    } else {
        enum sm_status status = grow(arena, &slab, length, span_length, 1);
        if (status != SM_OK) return status;
    }
    *out = sm_slab_pop(slab, length);
    return SM_OK;
}

enum sm_status sm_arena_take(sm_arena *arena, struct sm_slot **out, size_t length) {
    if (length == 0) return SM_BAD_SIZE;
    enum sm_status status = length <= SM_SLAB_MAX ? take_small(arena, out, length) : take_large(arena, out, length);
    if (status != SM_OK) return status;
    arena->taken++;
    arena->counts.live_secrets++;
    arena->counts.live_bytes += length;
    return SM_OK;
}

static void keep_or_drop_small(struct sm_slab *slab, bool was_full) {
    struct sm_size_class *class = &slab->arena->classes[slab->size_class];
    class->released = true;
    if (was_full) sm_arena_list_free(slab);
    if (slab->live > 0) return;
    if (class->spare == NULL && !slab->arena->closed) {
        class->spare = slab;
        return;
    }
    unlink_free(slab);
    drop(slab);
}

static void keep_or_drop_large(struct sm_slab *slab) {
    sm_arena *arena = slab->arena;
    size_t length = slab->pages.layout.span_length;
    if (arena->closed || arena->cached_bytes + length > MAX_CACHED_BYTES) {
        drop(slab);
        return;
    }
    slab->next_free = arena->cached;
    arena->cached = slab;
    arena->cached_bytes += length;
}

void sm_arena_give_back(struct sm_slot *slot) {
    struct sm_slab *slab = slot->slab;
    sm_arena *arena = slab->arena;
    bool was_full = slab->live == slab->slots;
    arena->taken--;
    sm_slab_push(slab, slot);
    if (slab->size_class < 0) keep_or_drop_large(slab);
    else keep_or_drop_small(slab, was_full);
    sm_arena_free_if_unused(arena);
}

void sm_arena_visit(sm_arena *arena, void (*visit)(struct sm_slot *slot, void *context), void *context) {
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

void sm_arena_visit_all(void (*visit)(struct sm_slot *slot, void *context), void *context) {
    struct sm_arena *next;
    for (struct sm_arena *arena = sm_arena_first(); arena != NULL; arena = next) {
        next = arena->next; /* giving back the last slot may free the arena */
        sm_arena_visit(arena, visit, context);
    }
}
