/* secret.h: one secret. */
#ifndef SM_SECRET_H
#define SM_SECRET_H

#include "words.h"
#include "views.h"

/* Where a secret lies, for reading its protection back from the kernel. */
struct sm_location {
    uintptr_t pages;        /* first byte of the pages that hold it */
    size_t pages_length;    /* bytes */
    uintptr_t guard_before; /* the guard page below its run */
    uintptr_t guard_after;  /* the guard page above its run */
    int backend;            /* enum sm_backend */
    bool stuck;             /* a closing failed and is still to be repeated */
    bool inherited;         /* forked children get it too */
};

/* Wiping, closing and returning a secret of this length and more takes so long
 * that callers should let the GIL go for it; the core lets its mutex go. */
#define SM_LONG_SECRET ((size_t)128 << 10)

enum sm_status sm_secret_take(sm_slot **out, sm_arena *arena, size_t length);
/* Takes a slot and opens it for writing, in one step: data is zero, and is to be
 * closed by sm_secret_close(slot, true).  On a page without other secrets this
 * asks the kernel for nothing, so that the closing is the first mprotect.  To
 * give up: sm_secret_wipe (SM_EXPORTED), then close, then return; on such a page
 * that asks for nothing either. */
enum sm_status sm_secret_take_open(sm_slot **out, uint8_t **data, sm_arena *arena, size_t length);
enum sm_status sm_secret_open(sm_slot *slot, uint8_t **data, bool writable);
void sm_secret_close(sm_slot *slot, bool writable);
/* The same for a view that another thread opened: the sm_thread() of then. */
void sm_secret_close_of(sm_slot *slot, bool writable, uint32_t thread);
enum sm_status sm_secret_freeze(sm_slot *slot);
enum sm_status sm_secret_wipe(sm_slot *slot); /* SM_EXPORTED: done at the last close */
void sm_secret_return(sm_slot *slot);
enum sm_status sm_secret_state(sm_slot *slot); /* SM_OK, SM_WIPED, SM_FORKED */
bool sm_secret_is_viewed(sm_slot *slot, bool writable); /* by any view, or by one for writing */
enum sm_status sm_secret_locate(sm_slot *slot, struct sm_location *out);
sm_arena *sm_secret_arena(const sm_slot *slot);

/* For the core's own units.  Takes the core's mutex for a slot; SM_FORKED, and
 * no mutex, in a child. */
enum sm_status sm_secret_enter(const sm_slot *slot);

/* The rest under the core's mutex. */
size_t sm_secret_views(const sm_slot *slot); /* open now */
/* Wipes, whoever has a view; false: the kernel refused, and it is pending. */
bool sm_secret_wipe_now(sm_slot *slot);
void sm_secret_forget_pending(void); /* in a forked child */
/* There, of a slot that came along, once its views are counted: ends what other
 * threads began.  torn: one of them was writing to it. */
void sm_secret_inherit(struct sm_slot *slot, bool torn);
void sm_secret_retry_pending(void);
size_t sm_secret_pending(void);
void sm_secret_await_wiping(void); /* by other threads, of any secret */

#endif
