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
    uint32_t pending; /* of those, whose system call has not returned */
};

/* All under the core's mutex; start and end are whole pages, start < end. */

/* Adds a pending lock; false: no memory, and nothing was changed. */
bool sm_counts_add(uintptr_t start, uintptr_t end, bool full);
/* Its system call has returned. */
void sm_counts_settle(uintptr_t start, uintptr_t end);
/* Takes a lock away, and calls unlock for each stretch that no lock holds any
 * more.  The range must be that of a lock added before. */
void sm_counts_drop(uintptr_t start, uintptr_t end, bool full, void (*unlock)(uintptr_t start, uintptr_t end, void *context),
                    void *context);
/* In the order of addresses, none empty, none overlapping. */
const struct sm_counted *sm_counts_all(size_t *count);
/* In a forked child: locks are not inherited. */
void sm_counts_forget(void);

#endif
