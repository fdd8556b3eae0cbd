/* heap_gate.c: the mutexes of the crypto heap, held over fork().
 *
 * All are taken before a fork, so that the child finds the heap whole.  Other
 * libraries' fork handlers run while they are held, and some allocate: the
 * thread that forks passes through.  A raw clone runs no handler; a page that
 * the kernel zeroes in a child (MADV_WIPEONFORK) tells of it.  If another
 * thread was changing the heap at that moment, the child leaves the heap alone.
 */
#include "heap_gate.h"

#include <errno.h>
#include <pthread.h>

#include "failure.h"
#include "os.h"

#define MUTEXES (SM_HEAP_CLASSES + 1)
#define TRIES 100 /* before other threads are let run */

struct sm_heap_mutex sm_heap_mutexes[MUTEXES];
_Atomic uint64_t *sm_heap_state;

static atomic_uintptr_t forker; /* the thread that is between the fork handlers; 0: none */
static void (*settle)(void);

static bool take(unsigned mutex) {
    return !atomic_exchange_explicit(&sm_heap_mutexes[mutex].held, true, memory_order_acquire);
}

static void give_all(void) {
    for (unsigned i = 0; i < MUTEXES; i++) {
        atomic_store_explicit(&sm_heap_mutexes[i].held, false, memory_order_release);
    }
}

bool sm_heap_is_forking(void) {
    uintptr_t thread = atomic_load_explicit(&forker, memory_order_relaxed);
    return thread != 0 && thread == (uintptr_t)pthread_self();
}

static uint64_t state(void) {
    return atomic_load_explicit(sm_heap_state, memory_order_relaxed);
}

/* The child of a raw clone has one thread, so no other one can hold a mutex here. */
static void settle_raw_clone(void) {
    bool whole = true;
    for (unsigned i = 0; i < MUTEXES; i++) whole = take(i) && whole;
    atomic_store(&forker, 0);
    if (whole) {
        give_all();
        atomic_store(sm_heap_state, SM_HEAP_CALM);
        settle();
    } else {
        atomic_store(sm_heap_state, SM_HEAP_ABANDONED);
    }
}

bool sm_heap_enter_slowly(unsigned mutex) {
    for (unsigned tries = 0;; tries++) {
        if (sm_heap_is_forking()) return state() != SM_HEAP_ABANDONED;
        if (state() == SM_HEAP_FORKED) settle_raw_clone();
        if (state() == SM_HEAP_ABANDONED) return false;
        if (take(mutex)) return true;
        if (tries >= TRIES) sm_os_yield();
    }
}

void sm_heap_leave_slowly(unsigned mutex) {
    if (!sm_heap_is_forking()) atomic_store_explicit(&sm_heap_mutexes[mutex].held, false, memory_order_release);
}

static void before_fork(void) {
    for (unsigned i = 0; i < MUTEXES; i++) {
        if (!sm_heap_enter_slowly(i)) return; /* abandoned: nothing to be held */
    }
    atomic_store(&forker, (uintptr_t)pthread_self());
    atomic_store(sm_heap_state, SM_HEAP_FORKING);
}

static void after_fork_in_parent(void) {
    if (!sm_heap_is_forking()) return;
    atomic_store(sm_heap_state, SM_HEAP_CALM);
    atomic_store(&forker, 0);
    give_all();
}

static void after_fork_in_child(void) {
    if (!sm_heap_is_forking()) {
        atomic_store(sm_heap_state, SM_HEAP_ABANDONED);
        return;
    }
    settle();
    atomic_store(sm_heap_state, SM_HEAP_CALM);
    atomic_store(&forker, 0);
    give_all();
}

enum sm_status sm_heap_gate_start(void (*lock_again)(void)) {
    size_t page = sm_os_page_size();
    void *address = NULL;
    if (sm_os_reserve(&address, page) != 0) return sm_fail(SM_NO_MEMORY);
    int error = sm_os_protect(address, page, SM_ACCESS_WRITE);
    if (error == 0) error = sm_os_wipe_on_fork(address, page);
    if (error != 0) {
        enum sm_status status = sm_fail_by_error(error);
        sm_os_unmap(address, page);
        return status;
    }
    settle = lock_again;
    sm_heap_state = address;
    atomic_store(sm_heap_state, SM_HEAP_CALM);
    if (pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0) return SM_OK;
    sm_heap_state = NULL;
    sm_os_unmap(address, page);
    return sm_fail_in(SM_NO_MEMORY, "pthread_atfork", ENOMEM, 0);
}
