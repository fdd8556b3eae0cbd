/* page_counts.h: how many locks hold each page that others own. */
#ifndef SM_PAGE_COUNTS_H
#define SM_PAGE_COUNTS_H

#include "words.h"

/* A stretch of pages that the same number of locks hold. */
struct sm_counted {
    uintptr_t start;
    uintptr_t end;
    uint32_t locks;
    uint32_t full;    /* of those, not on fault */
    uint32_t pending; /* locks whose system call has not returned, undone ones too */
    uint32_t undone;  /* locks that a munlock undid here, and whose owners live; not among locks */
    uint64_t up_to;   /* the last ticket of those */
};

/* All under the core's mutex; start and end are whole pages, start < end. */

/* A number that no lock had before. */
uint64_t sm_counts_ticket(void);
/* Adds a pending lock, of the last ticket; false: no memory, and nothing was changed. */
bool sm_counts_add(uintptr_t start, uintptr_t end, bool full);
/* Its system call has returned. */
void sm_counts_settle(uintptr_t start, uintptr_t end);
/* Takes a lock away, and calls unlock for each stretch that no lock holds any
 * more.  The range must be that of a lock added before. */
void sm_counts_drop(uint64_t ticket, uintptr_t start, uintptr_t end, bool full,
                    void (*unlock)(uintptr_t start, uintptr_t end, void *context), void *context);
/* The kernel's munlock: every lock is void on these pages, and keeps its
 * others; false: no memory, and nothing was changed. */
bool sm_counts_undo(uintptr_t start, uintptr_t end);
/* Whether a lock still counts on every page of its range. */
bool sm_counts_hold(uint64_t ticket, uintptr_t start, uintptr_t end);
/* In the order of addresses, none empty, none overlapping; those without a
 * lock are there for the owners of undone ones. */
const struct sm_counted *sm_counts_all(size_t *count);
/* In a forked child: locks are not inherited. */
void sm_counts_forget(void);

#endif
