/* slab.h: a page run cut in equal slots, with the slots' state out of line. */
#ifndef SM_SLAB_H
#define SM_SLAB_H

#include "pages.h"
#include "gate.h"
#include "views.h"
#include "windows.h"

/* The largest request that shares pages with others. */
#define SM_SLAB_MAX 4088

enum sm_slot_state {
    SM_SLOT_FREE,
    SM_SLOT_LIVE,
    SM_SLOT_DOOMED,  /* to be wiped at the last close */
    SM_SLOT_WIPING,  /* being zeroed by a thread that let the mutex go for it */
    SM_SLOT_PENDING, /* not viewed, but the kernel refused to open it for wiping */
    SM_SLOT_WIPED,   /* still its owner's, to be returned */
    SM_SLOT_LOST     /* wiped in a forked child, which got it half-written */
};

struct sm_slot {
    struct sm_slab *slab;
    uint8_t *data; /* of a large request: set when taken */
    union {
        size_t length;              /* of the secret, in use */
        struct sm_slot *next;       /* free */
    };
    uint32_t readers;
    uint32_t writers;
    uint32_t seal;  /* from its own address: tells a foreign pointer */
    uint8_t state;  /* enum sm_slot_state */
    bool frozen;
    bool dirty;     /* was open for writing, so its canary is there */
    bool abandoned; /* returned while pending: given back once wiped */
};

struct sm_slab {
    sm_arena *arena;
    uint64_t generation; /* of the process that its pages are in */
    struct sm_slab *next, *previous;           /* all slabs of the arena */
    struct sm_slab *next_free, *previous_free; /* those of its class with free slots */
    struct sm_pages pages;
    struct sm_slot *free;   /* returned slots, last in first out */
    size_t untouched;       /* slots from this index on were never taken */
    size_t slots;
    size_t per_span;
    unsigned step_shift;    /* spans are 2^this bytes apart, or there is one alone */
    size_t slot_size;       /* bytes a secret may have; the canary follows */
    size_t live;
    int size_class;         /* of the arena; -1: one large request */
    struct sm_window *windows; /* one per span */
    struct sm_view **views; /* by slot, of a run that children inherit; else NULL */
    struct sm_slot slot[];
};

/* A slab for slots of slot_size (a multiple of 8, at most SM_SLAB_MAX) on the
 * layout's spans, or, if slot_size is larger than a span's page, for one
 * request of up to one span.  All slots free and zero, the spans accessible. */
enum sm_status sm_slab_create(struct sm_slab **out, const struct sm_layout *layout, size_t slot_size, int at_rest);
/* Its pages must have been wiped.  Where the kernel will not unmap them, it is
 * kept as a leftover. */
void sm_slab_destroy(struct sm_slab *slab);

/* Tries again to unmap the leftovers; those that remain, by next. */
const struct sm_slab *sm_slab_retry_leftovers(void);
void sm_slab_forget_leftovers(void); /* in a forked child */

struct sm_slot *sm_slab_pop(struct sm_slab *slab, size_t length); /* NULL: full */
/* Has the next slot come from a span without secrets, or one that is open for
 * writing; false where there is none.  For a slab that is not full. */
bool sm_slab_prefer_empty(struct sm_slab *slab);
void sm_slab_push(struct sm_slab *slab, struct sm_slot *slot);

/* Which span of its run the slot lies in. */
static inline size_t sm_slot_span(const struct sm_slot *slot) {
    return (size_t)(slot->data - sm_pages_span(&slot->slab->pages, 0)) >> slot->slab->step_shift;
}

static inline struct sm_window *sm_slot_window(const struct sm_slot *slot) {
    return &slot->slab->windows[sm_slot_span(slot)];
}

static inline uint32_t sm_slot_seal(const struct sm_slot *slot) {
    uint64_t mixed = (sm_cookie() ^ (uint64_t)(uintptr_t)slot) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(mixed >> 32);
}

/* Whose views the slot has, or NULL where nobody notes them. */
static inline struct sm_view **sm_slot_views(const struct sm_slot *slot) {
    return slot->slab->views == NULL ? NULL : &slot->slab->views[slot - slot->slab->slot];
}

/* Aborts if the pointer is no slot. */
static inline void sm_slot_check(const struct sm_slot *slot) {
    if (slot == NULL || slot->seal != sm_slot_seal(slot)) sm_os_abort("a pointer that is no secret was passed in");
}

/* The rest while the slot's window is open.  Readies a slot for its first
 * write: aborts if it is not zero, and writes the canary. */
void sm_slot_prepare(struct sm_slot *slot);
/* Aborts if a slot that was never written to is not zero. */
void sm_slot_check_zero(const struct sm_slot *slot);
/* Aborts if a write ran over the secret's end; for a slot that was prepared. */
void sm_slot_check_edges(const struct sm_slot *slot);
/* Zeroes a slot that was prepared, canary included. */
void sm_slot_clear(struct sm_slot *slot);

#endif
