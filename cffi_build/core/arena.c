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
#define SHARE_FOR_SPEED 8   /* an eighth of what may be locked */
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

/* A slab of exactly so many spans. */
static enum sm_status add_run(sm_arena *arena, struct sm_slab **out, size_t slot_size, size_t span_length, size_t spans,
                              bool locked) {
    size_t left = arena->policy.max_bytes - arena->counts.page_bytes;
    if (arena->policy.max_bytes != 0 && left / span_length < spans) return SM_FULL;
    struct sm_layout layout = {.span_length = span_length,
                               .spans = spans,
                               .guard_each = may_guard_each(arena, spans),
                               .backend = arena->policy.backend,
                               .locked = locked,
                               .inherited = arena->policy.fork == SM_FORK_INHERIT};
    enum sm_status status = sm_slab_create(out, &layout, slot_size, arena->policy.at_rest);
    if (status == SM_OK) sm_arena_adopt(arena, *out);
    return status;
}

/* The same, or of fewer where a limit asks for it. */
static enum sm_status grow(sm_arena *arena, struct sm_slab **out, size_t slot_size, size_t span_length, size_t spans) {
    bool reclaimed = false;
    bool locked = true;
    for (;;) {
        enum sm_status status = add_run(arena, out, slot_size, span_length, spans, locked);
        if (status == SM_OK) return SM_OK;
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

/* Whether pages may be spent on speed: where little may be locked, none are. */
static bool may_spread(const sm_arena *arena) {
    size_t limit;
    if (arena->policy.at_rest != SM_AT_REST_NOACCESS || arena->policy.max_bytes != 0) return false;
    return sm_os_lock_limit(&limit) == 0 && sm_pages_locked() < limit / SHARE_FOR_SPEED;
}

/* A slab of the class whose next slot has its page to itself: the spare one, or
 * once in the life of the class two more pages; else the slab that serves anyway. */
static struct sm_slab *with_empty_page(sm_arena *arena, struct sm_size_class *class, struct sm_slab *slab) {
    if (sm_slab_prefer_empty(slab)) return slab;
    if (class->spare != NULL) return class->spare;
    struct sm_slab *fresh;
    if (class->spread) return slab;
    class->spread = true; /* or is not, and that is not asked again */
    if (!may_spread(arena)) return slab;
    if (add_run(arena, &fresh, slot_sizes[slab->size_class], sm_os_page_size(), 2, true) != SM_OK) return slab;
    fresh->size_class = slab->size_class;
    sm_arena_list_free(fresh);
    return fresh;
}

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
    if (class->released) slab = with_empty_page(arena, class, slab);
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

/* Whether it is the better one to keep: two short lives that overlap have a page each, at the price of one page. */
static bool holds_lives_apart(const struct sm_slab *slab, const struct sm_slab *spare) {
    return slab->pages.layout.spans == 2 && spare->pages.layout.spans == 1;
}

static void keep_or_drop_small(struct sm_slab *slab, bool was_full) {
    struct sm_size_class *class = &slab->arena->classes[slab->size_class];
    class->released = true;
    if (was_full) sm_arena_list_free(slab);
    if (slab->live > 0) return;
    if (!slab->arena->closed && (class->spare == NULL || holds_lives_apart(slab, class->spare))) {
        struct sm_slab *spare = class->spare;
        class->spare = slab;
        if (spare == NULL) return;
        slab = spare;
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
