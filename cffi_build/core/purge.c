/* purge.c: wiping many secrets at once: all, those of an arena, and at exit.
 *
 * Secrets that share a page are wiped through one window.
 */
#include "purge.h"

#include "arena.h"
#include "gate.h"
#include "secret.h"
#include "visit.h"

/* Holds one page's window open while its secrets are wiped one by one. */
struct sweep {
    struct sm_window *held;
    size_t waiting;
};

static void hold(struct sweep *sweep, struct sm_window *window) {
    if (sweep->held == window) return;
    if (sweep->held != NULL) sm_window_close(sweep->held, true);
    sweep->held = window != NULL && sm_window_open(window, true) == 0 ? window : NULL;
}

static void purge_one(struct sm_slot *slot, void *context) {
    struct sweep *sweep = context;
    if (slot->state == SM_SLOT_WIPED || slot->state == SM_SLOT_WIPING || slot->state == SM_SLOT_LOST) return;
    if (slot->abandoned) return; /* tried already */
    if (sm_secret_views(slot) > 0) {
        slot->state = SM_SLOT_DOOMED;
        sweep->waiting += sm_secret_views(slot);
        return;
    }
    hold(sweep, sm_slot_window(slot));
    sm_secret_wipe_now(slot);
}

size_t sm_secret_purge(void) {
    struct sweep sweep = {0};
    sm_enter();
    sm_secret_retry_pending();
    sm_visit_all(purge_one, &sweep);
    hold(&sweep, NULL);
    sm_secret_await_wiping();
    sm_leave();
    return sweep.waiting;
}

enum sm_status sm_arena_close(sm_arena *arena, size_t *waiting) {
    struct sweep sweep = {0};
    sm_enter();
    bool ours = arena->generation == sm_generation();
    if (ours) {
        arena->closed = true;
        sm_secret_retry_pending();
        sm_visit_arena(arena, purge_one, &sweep);
        hold(&sweep, NULL);
        sm_secret_await_wiping(); /* the caller holds the arena */
        sm_arena_drop_idle(arena);
    }
    sm_leave();
    *waiting = sweep.waiting;
    return ours ? SM_OK : SM_FORKED;
}

static void wipe_at_exit(struct sm_slot *slot, void *context) {
    if (slot->state == SM_SLOT_WIPED || slot->state == SM_SLOT_LOST) return;
    hold(context, sm_slot_window(slot));
    sm_secret_wipe_now(slot);
}

void sm_secret_wipe_all(void) {
    struct sweep sweep = {0};
    sm_visit_all(wipe_at_exit, &sweep);
    hold(&sweep, NULL);
}
