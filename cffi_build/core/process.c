/* process.c: start and end, and the crossing of a fork.
 *
 * The generation lives in a sentinel page that the kernel zeroes in a child
 * (MADV_WIPEONFORK).  A zero there tells of any fork, raw clone included,
 * without a system call; the next generation is then written into it.  The
 * mutex is held over fork(), so that the child finds the bookkeeping whole.
 */
#include "process.h"

#include <errno.h>
#include <pthread.h>

#include "arena.h"
#include "os.h"
#include "page_locks.h"
#include "secret.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile uint64_t *sentinel;
struct sm_process sm_process = {.generation = 1};

/* The parent's pages are not mapped here.  Their addresses are taken, so that
 * a view opened before the fork faults and never reads another mapping. */
static void settle_in_child(void) {
    sm_arena_abandon_all();
    sm_secret_forget_pending();
    sm_page_locks_forget();
    sm_process.generation++;
    *sentinel = sm_process.generation;
}

void sm_enter(void) {
    if (*sentinel == 0) { /* raw clone: no handler ran, and the mutex may be held by a thread that is not here */
        mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
        settle_in_child();
    }
    pthread_mutex_lock(&mutex);
}

void sm_leave(void) {
    pthread_mutex_unlock(&mutex);
}

static void before_fork(void) {
    sm_enter();
}

static void after_fork_in_parent(void) {
    sm_leave();
}

static void after_fork_in_child(void) {
    settle_in_child();
    sm_leave();
}

enum sm_status sm_random(uint8_t *out, size_t length) {
    return sm_os_random(out, length) == 0 ? SM_OK : SM_NO_RANDOM;
}

bool sm_lock_is_unlimited(void) {
    bool unlimited;
    return sm_os_may_lock_beyond_limit(&unlimited) == 0 && unlimited;
}

enum sm_status sm_start(void) {
    if (sentinel != NULL) return SM_OK;
    size_t page = sm_os_page_size();
    void *address = NULL;
    if (sm_os_random((uint8_t *)&sm_process.cookie, sizeof sm_process.cookie) != 0) return SM_NO_RANDOM;
    if (sm_os_reserve(&address, page) != 0) return SM_NO_MEMORY;
    if (sm_os_protect(address, page, SM_ACCESS_WRITE) != 0 || sm_os_wipe_on_fork(address, page) != 0) {
        sm_os_unmap(address, page);
        return SM_REFUSED;
    }
    if (pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0) {
        sm_os_unmap(address, page);
        sm_failure_set("pthread_atfork", ENOMEM, 0);
        return SM_NO_MEMORY;
    }
    *(volatile uint64_t *)address = sm_process.generation;
    sm_pages_start(address);
    sentinel = address;
    return SM_OK;
}

void sm_stop(void) {
    if (sentinel == NULL) return;
    sm_enter();
    sm_secret_wipe_all();
    sm_leave();
}

/* For programs that end by exit() without finalising Python. */
__attribute__((destructor)) static void stop_at_unload(void) {
    sm_stop();
}
