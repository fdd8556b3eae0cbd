/* pages.h: a guarded, locked run of pages, cut in spans. */
#ifndef SM_PAGES_H
#define SM_PAGES_H

#include "os.h"

/* A span is what a window opens: one page of a slab, or the whole of a large run. */
struct sm_layout {
    size_t span_length; /* bytes, whole pages */
    size_t spans;
    bool guard_each; /* a guard page between all spans, not only around the run */
    int backend;
    bool locked; /* asked for; the memfd_secret backend always is */
    bool inherited; /* forked children get it too */
};

/* Whether a child of a fork would have the run now. */
enum sm_offer { SM_OFFER_NONE = 0, SM_OFFER_PART, SM_OFFER_ALL };

struct sm_pages {
    struct sm_layout layout;
    uint8_t *region; /* guards included */
    uint8_t *first;  /* span */
    size_t region_length;
    size_t step;    /* bytes from one span to the next */
    size_t counted; /* bytes of it among those locked */
    uint8_t offer;  /* enum sm_offer */
    bool taken_over; /* from a parent */
};

/* Chooses where to map regions: one below the other, well below what is mapped
 * now, so that nothing else comes between them and the guards that meet are merged. */
void sm_pages_start(void);
size_t sm_pages_locked(void); /* bytes of runs that are mapped and locked */
void sm_pages_forget(void);   /* in a forked child: they are not here */

/* Maps, protects and locks; the spans are open for writing and zero.  After a
 * failure, what it mapped is still to be unmapped. */
enum sm_status sm_pages_map(struct sm_pages *out, const struct sm_layout *layout);
/* The pages must have been wiped.  0, or the errno of a kernel that has no
 * memory to split a mapping: then they are mapped as before. */
int sm_pages_unmap(struct sm_pages *pages);

/* Fork, for a run that children inherit.  Before it; and after it, in the parent. */
void sm_pages_offer(struct sm_pages *pages);
void sm_pages_withdraw(struct sm_pages *pages);
/* In the child: frames of its own, locked and protected, the spans open for
 * writing; false: a call failed, and the run is to be abandoned. */
bool sm_pages_take_over(struct sm_pages *pages);
/* In a child: nothing of the run is here, and its addresses are taken. */
void sm_pages_abandon(const struct sm_pages *pages);

size_t sm_pages_step(const struct sm_layout *layout);     /* from one span to the next */
size_t sm_pages_bytes(const struct sm_layout *layout);    /* without guards */
size_t sm_pages_mappings(const struct sm_layout *layout); /* kernel mappings, at most */
static inline uint8_t *sm_pages_span(const struct sm_pages *pages, size_t index) {
    return pages->first + index * pages->step;
}

/* The guard pages below and above the span's neighbourhood without guards. */
void sm_pages_guards(const struct sm_pages *pages, size_t index, uintptr_t *below, uintptr_t *above);

#endif
