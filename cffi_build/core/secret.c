/* secret.c: the life of one secret.
 *
 *   take -> LIVE -> wipe -> WIPED -> return
 *             \-> wipe while a view is open -> DOOMED -> last close -> WIPED
 *
 * A long secret is zeroed without the mutex: it is WIPING meanwhile, its window
 * open, and nobody but the thread that zeroes it touches it.
 *
 * A doomed secret opens no new view.  PENDING is one whose page the kernel
 * refused to open for wiping; whoever releases, purges or counts tries again.
 */
#include "secret.h"

#include "arena.h"
#include "failure.h"
#include "gate.h"
#include "visit.h"

static size_t pending;
static size_t wiping; /* long secrets, by threads that are at it */

static bool is_foreign(const struct sm_slot *slot) {
    return slot->slab->generation != sm_generation() || slot->state == SM_SLOT_LOST;
}

size_t sm_secret_views(const struct sm_slot *slot) {
    return (size_t)slot->readers + slot->writers;
}

enum sm_status sm_secret_enter(const struct sm_slot *slot) {
    sm_enter();
    sm_slot_check(slot);
    if (!is_foreign(slot)) return SM_OK;
    sm_leave();
    return SM_FORKED;
}

/* -- wiping -- */

/* Zeroes the slot through a window of its own; false: the kernel refused it.
 * What was never open for writing is zero and opens nothing. */
static bool clear(struct sm_slot *slot) {
    struct sm_window *window = sm_slot_window(slot);
    bool open = slot->dirty;
    if (open) {
        if (sm_window_open(window, true) != SM_OK) return false;
        sm_slot_check_edges(slot);
        sm_slot_clear(slot);
        slot->dirty = false;
    }
    if (slot->frozen) window->frozen--;
    window->secrets--;
    if (open) sm_window_close(window, true);
    else if (slot->frozen) (void)sm_window_settle(window); /* refused: the page's next window settles it */
    slot->frozen = false;
    return true;
}

bool sm_secret_wipe_now(struct sm_slot *slot) {
    bool was_pending = slot->state == SM_SLOT_PENDING;
    if (!clear(slot)) {
        slot->state = SM_SLOT_PENDING;
        if (!was_pending) pending++;
        return false;
    }
    if (was_pending) pending--;
    slot->state = SM_SLOT_WIPED;
    slot->slab->arena->counts.live_secrets--;
    slot->slab->arena->counts.live_bytes -= slot->length;
    return true;
}

void sm_secret_await_wiping(void) {
    while (wiping > 0) sm_gate_wait();
}

/* The same for a secret without views; if it is long, the mutex is free meanwhile. */
static bool wipe(struct sm_slot *slot) {
    struct sm_window *window = sm_slot_window(slot);
    if (!slot->dirty || slot->length < SM_LONG_SECRET || sm_window_open(window, true) != SM_OK) return sm_secret_wipe_now(slot);
    sm_slot_check_edges(slot);
    slot->state = SM_SLOT_WIPING;
    wiping++;
    sm_leave();
    sm_slot_clear(slot);
    sm_enter();
    wiping--;
    slot->dirty = false;
    if (slot->state == SM_SLOT_WIPING) sm_secret_wipe_now(slot); /* else by the wiping at exit */
    sm_window_close(window, true);
    sm_gate_wake();
    return true;
}

static void retry_one(struct sm_slot *slot, void *context) {
    (void)context;
    if (slot->state == SM_SLOT_PENDING && sm_secret_wipe_now(slot) && slot->abandoned) sm_arena_give_back(slot);
}

void sm_secret_retry_pending(void) {
    if (pending > 0) sm_visit_all(retry_one, NULL);
}

size_t sm_secret_pending(void) {
    return pending;
}

void sm_secret_forget_pending(void) {
    pending = 0;
    wiping = 0;
}

void sm_secret_inherit(struct sm_slot *slot, bool torn) {
    bool lost = torn && slot->state == SM_SLOT_LIVE;
    if (slot->state == SM_SLOT_PENDING) pending++;
    if (slot->state == SM_SLOT_WIPING || lost) slot->state = SM_SLOT_DOOMED;
    if (slot->state != SM_SLOT_DOOMED || sm_secret_views(slot) > 0) return;
    if (sm_secret_wipe_now(slot) && lost) slot->state = SM_SLOT_LOST;
}

/* -- one secret -- */

static enum sm_status settle(struct sm_window *window) {
    int error = sm_window_settle(window);
    return error == 0 ? SM_OK : sm_fail_by_error(error);
}

/* A view of a live slot. */
static enum sm_status open(struct sm_slot *slot, uint8_t **data, bool writable) {
    struct sm_view **views = sm_slot_views(slot);
    enum sm_status status = views == NULL ? SM_OK : sm_views_add(views, writable);
    if (status != SM_OK) return status;
    status = sm_window_open(sm_slot_window(slot), writable);
    if (status != SM_OK) {
        if (views != NULL) sm_views_remove(views, sm_thread(), writable);
        return status;
    }
    if (!slot->dirty && writable) sm_slot_prepare(slot);
    else if (!slot->dirty) sm_slot_check_zero(slot);
    if (writable) slot->dirty = true;
    (*(writable ? &slot->writers : &slot->readers))++;
    slot->slab->arena->counts.open_windows++;
    *data = slot->data;
    return SM_OK;
}

/* With data: opened for writing.  Without: the page that has a secret from now on is shut. */
static enum sm_status take(sm_slot **out, uint8_t **data, sm_arena *arena, size_t length) {
    if (arena->generation != sm_generation()) return SM_FORKED;
    if (arena->closed) return SM_CLOSED;
    struct sm_slot *slot;
    enum sm_status status = sm_arena_take(arena, &slot, length);
    if (status != SM_OK) return status;
    struct sm_window *window = sm_slot_window(slot);
    window->secrets++;
    if (data != NULL) status = open(slot, data, true);
    else status = settle(window);
    if (status == SM_OK) {
        *out = slot;
    } else {
        (void)sm_secret_wipe_now(slot); /* never written: nothing to be refused */
        sm_arena_give_back(slot);
    }
    return status;
}

enum sm_status sm_secret_take(sm_slot **out, sm_arena *arena, size_t length) {
    sm_enter();
    enum sm_status status = take(out, NULL, arena, length);
    sm_leave();
    return status;
}

enum sm_status sm_secret_take_open(sm_slot **out, uint8_t **data, sm_arena *arena, size_t length) {
    sm_enter();
    enum sm_status status = take(out, data, arena, length);
    sm_leave();
    return status;
}

enum sm_status sm_secret_open(sm_slot *slot, uint8_t **data, bool writable) {
    enum sm_status status = sm_secret_enter(slot);
    if (status != SM_OK) return status;
    if (slot->state != SM_SLOT_LIVE) status = SM_WIPED;
    else if (slot->frozen && writable) status = SM_FROZEN;
    else status = open(slot, data, writable);
    sm_leave();
    return status;
}

#define THIS_THREAD 0 /* no thread's number; which one it is, is asked only where views are noted */

/* Of an inherited secret, a view of a thread that did not come along was closed by the fork. */
static void close(struct sm_slot *slot, bool writable, uint32_t thread) {
    struct sm_view **views = sm_slot_views(slot);
    uint32_t *count = writable ? &slot->writers : &slot->readers;
    if (views != NULL) {
        bool noted = sm_views_remove(views, thread == THIS_THREAD ? sm_thread() : thread, writable);
        if (!noted && slot->slab->pages.taken_over) return;
    }
    if (*count == 0) sm_os_abort("a view was closed that is not open");
    if (writable) sm_slot_check_edges(slot);
    (*count)--;
    slot->slab->arena->counts.open_windows--;
    if (slot->state == SM_SLOT_DOOMED && sm_secret_views(slot) == 0) wipe(slot);
    sm_window_close(sm_slot_window(slot), writable);
}

void sm_secret_close_of(sm_slot *slot, bool writable, uint32_t thread) {
    if (sm_secret_enter(slot) != SM_OK) return;
    close(slot, writable, thread);
    sm_leave();
}

void sm_secret_close(sm_slot *slot, bool writable) {
    sm_secret_close_of(slot, writable, THIS_THREAD);
}

enum sm_status sm_secret_freeze(sm_slot *slot) {
    enum sm_status status = sm_secret_enter(slot);
    if (status != SM_OK) return status;
    struct sm_window *window = sm_slot_window(slot);
    if (slot->state != SM_SLOT_LIVE) {
        status = SM_WIPED;
    } else if (slot->writers > 0) {
        status = SM_EXPORTED;
    } else if (!slot->frozen) {
        window->frozen++;
        slot->frozen = true;
        status = settle(window);
        if (status != SM_OK) {
            window->frozen--;
            slot->frozen = false;
        }
    }
    sm_leave();
    return status;
}

enum sm_status sm_secret_wipe(sm_slot *slot) {
    enum sm_status status = sm_secret_enter(slot);
    if (status != SM_OK) return status;
    if (slot->state == SM_SLOT_FREE) sm_os_abort("a secret was wiped after its return");
    while (slot->state == SM_SLOT_WIPING) sm_gate_wait();
    if (sm_secret_views(slot) > 0) {
        slot->state = SM_SLOT_DOOMED;
        status = SM_EXPORTED;
    } else if (slot->state != SM_SLOT_WIPED && !wipe(slot)) {
        status = SM_REFUSED;
    }
    sm_leave();
    return status;
}

void sm_secret_return(sm_slot *slot) {
    if (sm_secret_enter(slot) != SM_OK) return;
    if (slot->state == SM_SLOT_FREE) sm_os_abort("a secret was returned twice");
    if (sm_secret_views(slot) > 0) sm_os_abort("a secret was returned while a view of it is open");
    while (slot->state == SM_SLOT_WIPING) sm_gate_wait();
    sm_secret_retry_pending();
    if (slot->state == SM_SLOT_LIVE) wipe(slot);
    if (slot->state == SM_SLOT_WIPED) sm_arena_give_back(slot);
    else slot->abandoned = true;
    sm_leave();
}

enum sm_status sm_secret_state(sm_slot *slot) {
    enum sm_status status = sm_secret_enter(slot);
    if (status != SM_OK) return status;
    if (slot->state != SM_SLOT_LIVE) status = SM_WIPED;
    sm_leave();
    return status;
}

bool sm_secret_is_viewed(sm_slot *slot, bool writable) {
    if (sm_secret_enter(slot) != SM_OK) return false;
    bool viewed = (writable ? slot->writers : sm_secret_views(slot)) > 0;
    sm_leave();
    return viewed;
}

enum sm_status sm_secret_locate(sm_slot *slot, struct sm_location *out) {
    enum sm_status status = sm_secret_enter(slot);
    if (status != SM_OK) return status;
    sm_windows_retry();
    const struct sm_window *window = sm_slot_window(slot);
    if (slot->state != SM_SLOT_LIVE) status = SM_WIPED;
    out->pages = (uintptr_t)window->address;
    out->pages_length = window->length;
    out->backend = slot->slab->pages.layout.backend;
    out->stuck = window->stuck;
    out->inherited = slot->slab->pages.layout.inherited;
    sm_pages_guards(&slot->slab->pages, sm_slot_span(slot), &out->guard_before, &out->guard_after);
    sm_leave();
    return status;
}

sm_arena *sm_secret_arena(const sm_slot *slot) {
    return slot->slab->arena;
}
