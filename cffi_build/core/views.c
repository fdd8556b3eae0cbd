/* views.c: which thread opened which view.
 *
 * A view may be released by another thread than the one that opened it; so
 * whoever closes it says whose it was.
 */
#include "views.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "failure.h"

static atomic_uint_least32_t threads;
static _Thread_local uint32_t number;

uint32_t sm_thread(void) {
    if (number == 0) number = (uint32_t)atomic_fetch_add(&threads, 1) + 1;
    return number;
}

static struct sm_view **find(struct sm_view **views, uint32_t thread) {
    while (*views != NULL && (*views)->thread != thread) views = &(*views)->next;
    return views;
}

static void drop(struct sm_view **link) {
    struct sm_view *view = *link;
    *link = view->next;
    free(view);
}

enum sm_status sm_views_add(struct sm_view **views, bool writable) {
    struct sm_view *view = *find(views, sm_thread());
    if (view == NULL) {
        view = calloc(1, sizeof *view);
        if (view == NULL) return sm_fail_in(SM_NO_MEMORY, "calloc", ENOMEM, sizeof *view);
        view->thread = sm_thread();
        view->next = *views;
        *views = view;
    }
    (*(writable ? &view->writers : &view->readers))++;
    return SM_OK;
}

bool sm_views_remove(struct sm_view **views, uint32_t thread, bool writable) {
    struct sm_view **link = find(views, thread);
    if (*link == NULL) return false;
    uint32_t *count = writable ? &(*link)->writers : &(*link)->readers;
    if (*count == 0) return false;
    (*count)--;
    if ((*link)->readers + (*link)->writers == 0) drop(link);
    return true;
}

void sm_views_keep_own(struct sm_view **views, uint32_t *readers, uint32_t *writers) {
    *readers = *writers = 0;
    while (*views != NULL) {
        if ((*views)->thread != sm_thread()) {
            drop(views);
            continue;
        }
        *readers = (*views)->readers;
        *writers = (*views)->writers;
        views = &(*views)->next;
    }
}
