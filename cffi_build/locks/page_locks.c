/* page_locks.c: locks on memory that others own.
 *
 * The kernel's locks do not stack: one munlock undoes any number of mlocks,
 * for all of a page.  So locks are counted (page_counts.c), and munlock is
 * called for what no lock holds any more.  The pages of secrets belong to
 * their arenas: they are counted like others, and neither locked nor unlocked.
 *
 * A lock is counted before its system call and the mutex is not held during
 * the call, which may have to bring in a gigabyte from a disk.  Somebody else's
 * unlock of the same page then finds it held.
 *
 * The kernel's failed mlock has locked what came before the failure.  What no
 * lock of ours holds there is unlocked again; a lock that was set behind our
 * back in that range cannot be known, and is lost.
 */
#include "page_locks.h"

#include <errno.h>

#include "arena.h"
#include "failure.h"
#include "gate.h"
#include "lock_refusal.h"
#include "mappings.h"
#include "os.h"
#include "page_counts.h"
#include "pages.h"

static bool all_covered;
static uintptr_t kept_start; /* pages that hold others' secrets, and that only their owner unlocks */
static uintptr_t kept_end;

bool sm_page_locks_cover_all(bool covered) {
    bool before = all_covered;
    all_covered = covered;
    return before;
}

void sm_page_locks_keep(const void *address, size_t length) {
    sm_enter();
    kept_start = (uintptr_t)address;
    kept_end = kept_start + length;
    sm_leave();
}

void sm_page_locks_forget(void) {
    all_covered = false;
    sm_counts_forget();
}

void sm_secret_pages_visit(void (*visit)(struct sm_window *window, void *context), void *context) {
    for (const sm_arena *arena = sm_arena_first(); arena != NULL; arena = arena->next) {
        for (struct sm_slab *slab = arena->slabs; slab != NULL; slab = slab->next) {
            if (!slab->pages.layout.locked) continue;
            for (size_t i = 0; i < slab->pages.layout.spans; i++) visit(&slab->windows[i], context);
        }
    }
}

/* A buffer never reaches over a run's guard pages: it lies in one, or in none. */
static bool holds_secrets(uintptr_t start, uintptr_t end) {
    for (const sm_arena *arena = sm_arena_first(); arena != NULL; arena = arena->next) {
        for (const struct sm_slab *slab = arena->slabs; slab != NULL; slab = slab->next) {
            uintptr_t region = (uintptr_t)slab->pages.region;
            if (start < region + slab->pages.region_length && end > region && slab->pages.layout.locked) return true;
        }
    }
    return false;
}

/* -- one range -- */

static bool whole_pages(uintptr_t *start, uintptr_t *end, const void *address, size_t length) {
    uintptr_t mask = (uintptr_t)sm_os_page_size() - 1;
    uintptr_t first = (uintptr_t)address;
    if (length > UINTPTR_MAX - mask - first) return false;
    *start = first & ~mask;
    *end = (first + length + mask) & ~mask;
    return true;
}

struct release {
    int error; /* the first refusal */
    bool keep; /* the pages stay locked for another reason */
};

/* A hole stops munlock, with the pages behind it still locked: then page by
 * page.  What is not mapped holds no lock. */
static void unlock_stretch(uintptr_t start, uintptr_t end, void *context) {
    struct release *release = context;
    size_t page = sm_os_page_size();
    if (release->keep || sm_os_unlock((void *)start, end - start) == 0) return;
    for (; start < end; start += page) {
        int error = sm_os_unlock((void *)start, page);
        if (error != 0 && sm_os_is_mapped((void *)start)) release->error = error;
    }
}

static int release_range(uint64_t ticket, uintptr_t start, uintptr_t end, bool on_fault) {
    struct release release = {.keep = all_covered || holds_secrets(start, end)};
    sm_counts_drop(ticket, start, end, !on_fault, unlock_stretch, &release);
    return release.error;
}

/* Counts the lock; the caller makes it, if it is not made already. */
static enum sm_status begin_lock(bool *made, size_t *secrets, uintptr_t start, uintptr_t end, bool on_fault) {
    if (!sm_counts_add(start, end, !on_fault)) return sm_fail_in(SM_NO_MEMORY, "realloc", ENOMEM, end - start);
    *made = holds_secrets(start, end);
    *secrets = sm_pages_locked();
    return SM_OK;
}

enum sm_status sm_page_lock(uint64_t *ticket, const void *address, size_t length, bool on_fault) {
    uintptr_t start = 0;
    uintptr_t end = 0;
    bool made = false;
    size_t secrets = 0;
    enum sm_status status = SM_OK;
    sm_enter();
    *ticket = sm_counts_ticket();
    if (length == 0) made = true;
    else if (whole_pages(&start, &end, address, length)) status = begin_lock(&made, &secrets, start, end, on_fault);
    else status = sm_fail_in(SM_LOCK_FAILED, on_fault ? "mlock2" : "mlock", EINVAL, length);
    sm_leave();
    if (status != SM_OK || length == 0) return status;
    int error = 0;
    if (!made) error = on_fault ? sm_os_lock_on_fault((void *)start, end - start) : sm_os_lock((void *)start, end - start);
    if (error != 0) status = sm_lock_range_refusal(error, start, end, secrets);
    sm_enter();
    sm_counts_settle(start, end);
    if (status != SM_OK) release_range(*ticket, start, end, on_fault);
    sm_leave();
    return status;
}

static enum sm_status unlock_refusal(int error, size_t length) {
    return sm_fail_in(error == ENOMEM ? SM_MAPPINGS : SM_LOCK_FAILED, "munlock", error, length);
}

enum sm_status sm_page_unlock(const void *address, size_t length, bool on_fault, uint64_t ticket) {
    uintptr_t start;
    uintptr_t end;
    if (length == 0 || !whole_pages(&start, &end, address, length)) return SM_OK;
    sm_enter();
    int error = sm_counts_hold(ticket, 0, 0) ? release_range(ticket, start, end, on_fault) : 0;
    sm_leave();
    return error == 0 ? SM_OK : unlock_refusal(error, end - start);
}

enum sm_status sm_page_undo(const void *address, size_t length) {
    uintptr_t start;
    uintptr_t end;
    struct release release = {.keep = false};
    if (length == 0 || !whole_pages(&start, &end, address, length)) return SM_OK;
    sm_enter();
    bool refused = holds_secrets(start, end) || (start < kept_end && end > kept_start);
    bool undone = !refused && sm_counts_undo(start, end);
    if (undone) unlock_stretch(start, end, &release);
    sm_leave();
    if (refused) return SM_HOLDS_SECRETS;
    if (!undone) return sm_fail_in(SM_NO_MEMORY, "realloc", ENOMEM, end - start);
    return release.error == 0 ? SM_OK : unlock_refusal(release.error, end - start);
}

bool sm_page_lock_lives(const void *address, size_t length, uint64_t ticket) {
    uintptr_t start = 0;
    uintptr_t end = 0;
    if (length > 0 && !whole_pages(&start, &end, address, length)) return false;
    sm_enter();
    bool lives = sm_counts_hold(ticket, start, end);
    sm_leave();
    return lives;
}

enum sm_status sm_page_is_locked(bool *out, const void *address, size_t length) {
    uintptr_t start;
    uintptr_t end;
    *out = length == 0;
    if (length == 0 || !whole_pages(&start, &end, address, length)) return SM_OK;
    return sm_range_is_locked(out, start, end) == 0 ? SM_OK : sm_fail(SM_NO_SMAPS);
}
