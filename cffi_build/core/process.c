/* process.c: the core's start and end, and what each unit does in a forked child.
 *
 * The mutex is held over fork(), so that the child finds the bookkeeping whole.
 */
#include "process.h"

#include <errno.h>
#include <pthread.h>

#include "failure.h"
#include "gate.h"
#include "os.h"
#include "page_locks.h"
#include "pages.h"
#include "purge.h"
#include "inheritance.h"
#include "secret.h"

/* Of the parent's pages only those of arenas that inherit are mapped here.  The
 * addresses of the others are taken, so that a view opened before the fork faults
 * and never reads another mapping. */
static void settle(bool announced) {
    sm_gate_next_generation();
    sm_inheritance_settle(announced);
    sm_page_locks_forget();
}

static void settle_raw_clone(void) {
    settle(false);
}

static void before_fork(void) {
    sm_enter();
    sm_inheritance_offer();
}

/* The fork may have failed, too. */
static void after_fork_in_parent(void) {
    sm_inheritance_withdraw();
    sm_leave();
}

static void after_fork_in_child(void) {
    settle(true);
    sm_leave();
}

enum sm_status sm_start(void) {
    if (sm_gate_is_open()) return SM_OK;
    (void)sm_os_stack_bounds(); /* now, while there is most likely a descriptor for it */
    enum sm_status status = sm_gate_start(settle_raw_clone);
    if (status != SM_OK) return status;
    sm_pages_start();
    if (pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0) return SM_OK;
    return sm_fail_in(SM_NO_MEMORY, "pthread_atfork", ENOMEM, 0);
}

void sm_stop(void) {
    if (!sm_gate_is_open()) return;
    sm_enter();
    sm_secret_wipe_all();
    sm_leave();
}

/* For programs that end by exit() without finalising Python. */
__attribute__((destructor)) static void stop_at_unload(void) {
    sm_stop();
}
