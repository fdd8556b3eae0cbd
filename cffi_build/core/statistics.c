/* statistics.c: what the arenas hold now, and what still fits. */
#include "statistics.h"

#include <stdint.h>

#include "arena.h"
#include "gate.h"
#include "inheritance.h"
#include "secret.h"

static void add(struct sm_statistics *sum, const struct sm_statistics *counts) {
    sum->live_secrets += counts->live_secrets;
    sum->live_bytes += counts->live_bytes;
    sum->page_bytes += counts->page_bytes;
    sum->locked_bytes += counts->locked_bytes;
    sum->runs += counts->runs;
    sum->mappings += counts->mappings;
    sum->open_windows += counts->open_windows;
    sum->inherited_bytes += counts->inherited_bytes;
    sum->lost_secrets += counts->lost_secrets;
}

/* Runs that no arena has any more, and that the kernel would not unmap. */
static void add_leftovers(struct sm_statistics *sum) {
    for (const struct sm_slab *slab = sm_slab_retry_leftovers(); slab != NULL; slab = slab->next) {
        const struct sm_layout *layout = &slab->pages.layout;
        sum->runs++;
        sum->page_bytes += sm_pages_bytes(layout);
        if (layout->locked) sum->locked_bytes += sm_pages_bytes(layout);
        sum->mappings += sm_pages_mappings(layout);
    }
}

enum sm_status sm_arena_statistics(sm_arena *arena, struct sm_statistics *out) {
    struct sm_statistics sum = {0};
    sm_enter();
    enum sm_status status = arena == NULL || arena->generation == sm_generation() ? SM_OK : SM_FORKED;
    sm_windows_retry();
    sm_inheritance_withdraw();
    sm_secret_retry_pending();
    if (arena == NULL) {
        for (const sm_arena *each = sm_arena_first(); each != NULL; each = each->next) add(&sum, &each->counts);
        add_leftovers(&sum);
    } else {
        add(&sum, &arena->counts);
    }
    sum.failed_closes = sm_windows_failed();
    sum.stuck_pages = sm_windows_stuck();
    sum.pending_wipes = sm_secret_pending();
    sm_leave();
    *out = sum;
    return status;
}

/* Free slots of the class that the length falls in. */
static size_t free_slots(const sm_arena *arena, int size_class) {
    size_t count = 0;
    for (const struct sm_slab *slab = arena->classes[size_class].free; slab != NULL; slab = slab->next_free) {
        count += slab->slots - slab->live;
    }
    return count;
}

/* Bytes of pages that lie idle and can become pages of another kind. */
static size_t idle_bytes(const sm_arena *arena, int kept_class) {
    size_t bytes = arena->cached_bytes;
    for (int i = 0; i < SM_SIZE_CLASSES; i++) {
        const struct sm_slab *spare = arena->classes[i].spare;
        if (i != kept_class && spare != NULL) bytes += sm_pages_bytes(&spare->pages.layout);
    }
    return bytes;
}

enum sm_status sm_arena_fits(sm_arena *arena, size_t *out, size_t length, size_t lockable) {
    if (length == 0) return SM_BAD_SIZE;
    size_t page = sm_os_page_size();
    *out = 0;
    if (length > (size_t)PTRDIFF_MAX - page) return SM_OK; /* nor could it be rounded up */
    bool small = length <= SM_SLAB_MAX;
    int size_class = small ? sm_arena_class_of(length) : -1;
    size_t each = small ? page : (length - 1) / page * page + page;
    size_t per_run = small ? page / (sm_arena_slot_size(size_class) + sizeof(uint64_t)) : 1;
    sm_enter();
    if (arena->generation != sm_generation()) {
        sm_leave();
        return SM_FORKED;
    }
    size_t room = lockable;
    for (const sm_arena *other = sm_arena_first(); other != NULL; other = other->next) {
        room += idle_bytes(other, other == arena ? size_class : -1);
    }
    if (arena->policy.max_bytes != 0) {
        size_t own = arena->policy.max_bytes - arena->counts.page_bytes + idle_bytes(arena, size_class);
        if (own < room) room = own;
    }
    *out = (small ? free_slots(arena, size_class) : 0) + room / each * per_run;
    sm_leave();
    return SM_OK;
}
