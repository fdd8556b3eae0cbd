/* page_locks.h: locks on memory that others own, whole pages around the bytes
 * given.  A page is unlocked when its last lock goes; secrets' own never are. */
#ifndef SM_PAGE_LOCKS_H
#define SM_PAGE_LOCKS_H

#include "words.h"

enum sm_status sm_page_lock(uint64_t *generation, const void *address, size_t length, bool on_fault);
/* The same range and generation; nothing to do in a child forked since. */
enum sm_status sm_page_unlock(const void *address, size_t length, bool on_fault, uint64_t generation);
enum sm_status sm_page_is_locked(bool *out, const void *address, size_t length);
bool sm_page_lock_lives(uint64_t generation); /* false in a child forked since */

/* For the core's own units, under the core's mutex. */

/* While mlockall made here is in force, dropped page locks leave pages locked. */
/* Returns what was so before. */
bool sm_page_locks_cover_all(bool covered);
/* In a forked child: locks are not inherited. */
void sm_page_locks_forget(void);

/* Calls visit for each stretch of pages that holds secrets and was locked for them. */
struct sm_window;
void sm_secret_pages_visit(void (*visit)(struct sm_window *window, void *context), void *context);

#endif
