/* gate.c: who may touch the core's state, and in which process.
 *
 * The generation lives in a sentinel page that the kernel zeroes in a child
 * (MADV_WIPEONFORK).  A zero there tells of any fork, raw clone included,
 * without a system call; the next generation is then written into it.
 */
#include "gate.h"

#include <pthread.h>

#include "failure.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static volatile uint64_t *sentinel;
static void (*settle_in_child)(void);
struct sm_gate sm_gate = {.generation = 1};

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

void sm_gate_wait(void) {
    pthread_cond_wait(&changed, &mutex);
}

void sm_gate_wake(void) {
    pthread_cond_broadcast(&changed);
}

bool sm_gate_is_open(void) {
    return sentinel != NULL;
}

void sm_gate_next_generation(void) {
    changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER; /* those who wait are not here */
    sm_gate.generation++;
    *sentinel = sm_gate.generation;
}

enum sm_status sm_gate_start(void (*settle)(void)) {
    size_t page = sm_os_page_size();
    void *address = NULL;
    if (sm_os_random((uint8_t *)&sm_gate.cookie, sizeof sm_gate.cookie) != 0) return sm_fail(SM_NO_RANDOM);
    if (sm_os_reserve(&address, page) != 0) return sm_fail(SM_NO_MEMORY);
    if (sm_os_protect(address, page, SM_ACCESS_WRITE) != 0 || sm_os_wipe_on_fork(address, page) != 0) {
        enum sm_status status = sm_fail(SM_REFUSED);
        sm_os_unmap(address, page);
        return status;
    }
    *(volatile uint64_t *)address = sm_gate.generation;
    settle_in_child = settle;
    sentinel = address;
    return SM_OK;
}

uint64_t sm_fork_generation(void) {
    if (*sentinel == 0) { /* a raw clone that nobody announced */
        sm_enter();
        sm_leave();
    }
    return sm_gate.generation;
}
