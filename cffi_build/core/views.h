/* views.h: which thread opened which view, for secrets that forked children
 * inherit: there only the thread that forked goes on, and so do only its views. */
#ifndef SM_VIEWS_H
#define SM_VIEWS_H

#include "words.h"

/* The views that threads have of one secret. */
struct sm_view {
    struct sm_view *next;
    uint32_t thread;
    uint32_t readers;
    uint32_t writers;
};

/* A number that this thread alone has, of all threads of this process and of
 * those it was forked from. */
uint32_t sm_thread(void);

/* The rest under the core's mutex. */
enum sm_status sm_views_add(struct sm_view **views, bool writable); /* of this thread */
/* False: the thread has none. */
bool sm_views_remove(struct sm_view **views, uint32_t thread, bool writable);
/* In a forked child: forgets those of other threads. */
void sm_views_keep_own(struct sm_view **views, uint32_t *readers, uint32_t *writers);

#endif
