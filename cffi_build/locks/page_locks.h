/* page_locks.h: what the units of locking share; the rest is in securemem.h. */
#ifndef SM_PAGE_LOCKS_H
#define SM_PAGE_LOCKS_H

#include "os.h"

/* All under the core's mutex. */

/* While mlockall made here is in force, dropped page locks leave pages locked. */
/* Returns what was so before. */
bool sm_page_locks_cover_all(bool covered);
/* In a forked child: locks are not inherited. */
void sm_page_locks_forget(void);

/* Locks a window's pages and brings them in, closed or not; 0 or an errno value. */
struct sm_window;
int sm_page_lock_window(struct sm_window *window);

/* Calls visit for each stretch of pages that holds secrets and was locked for them. */
void sm_secret_pages_visit(void (*visit)(struct sm_window *window, void *context), void *context);

#endif
