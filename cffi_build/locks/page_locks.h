/* page_locks.h: locks on memory that others own, whole pages around the bytes
 * given.  A page is unlocked when its last lock goes; secrets' own never are. */
#ifndef SM_PAGE_LOCKS_H
#define SM_PAGE_LOCKS_H

#include "words.h"

/* The ticket tells this lock from others of the same pages. */
enum sm_status sm_page_lock(uint64_t *ticket, const void *address, size_t length, bool on_fault);
/* The same range and ticket; nothing to do in a child forked since. */
enum sm_status sm_page_unlock(const void *address, size_t length, bool on_fault, uint64_t ticket);
/* The kernel's munlock: undoes every lock of these pages, whoever made it. */
enum sm_status sm_page_undo(const void *address, size_t length);
enum sm_status sm_page_is_locked(bool *out, const void *address, size_t length);
/* False in a child forked since, and where a page of it was undone. */
bool sm_page_lock_lives(const void *address, size_t length, uint64_t ticket);
/* Pages of another owner's secrets, one range: sm_page_undo refuses them. */
void sm_page_locks_keep(const void *address, size_t length);

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
