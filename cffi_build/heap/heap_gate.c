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
#include <stdatomic.h>

#include "failure.h"
#include "os.h"

#define MUTEXES (SM_HEAP_CLASSES + 1)

/* One cache line each: threads that use different classes do not slow each other down. */
static struct {
    _Alignas(64) pthread_mutex_t mutex;
} gates[MUTEXES];
static volatile uint64_t *sentinel;
static atomic_uintptr_t forker; /* the thread that is between the fork handlers; 0: none */
static bool abandoned;
static void (*settle)(void);

static void make_mutexes(void) {
    for (unsigned i = 0; i < MUTEXES; i++) gates[i].mutex = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

bool sm_heap_is_forking(void) {
    uintptr_t thread = atomic_load_explicit(&forker, memory_order_relaxed);
    return thread != 0 && thread == (uintptr_t)pthread_self();
}

/* The child of a raw clone has one thread, so no other one can hold a mutex here. */
static void settle_raw_clone(void) {
    for (unsigned i = 0; i < MUTEXES; i++) {
        if (pthread_mutex_trylock(&gates[i].mutex) != 0) abandoned = true;
    }
    atomic_store(&forker, 0);
    make_mutexes();
    *sentinel = 1;
    if (!abandoned) settle();
}

bool sm_heap_enter(unsigned mutex) {
    if (sm_heap_is_forking()) return !abandoned;
    if (*sentinel == 0) settle_raw_clone();
    if (abandoned) return false;
    pthread_mutex_lock(&gates[mutex].mutex);
    return true;
}

void sm_heap_leave(unsigned mutex) {
    if (!sm_heap_is_forking()) pthread_mutex_unlock(&gates[mutex].mutex);
}

static void before_fork(void) {
    if (*sentinel == 0) settle_raw_clone();
    for (unsigned i = 0; i < MUTEXES; i++) pthread_mutex_lock(&gates[i].mutex);
    atomic_store(&forker, (uintptr_t)pthread_self());
}

static void after_fork_in_parent(void) {
    atomic_store(&forker, 0);
    for (unsigned i = 0; i < MUTEXES; i++) pthread_mutex_unlock(&gates[MUTEXES - 1 - i].mutex);
}

static void after_fork_in_child(void) {
    *sentinel = 1;
    if (!abandoned) settle();
    make_mutexes();
    atomic_store(&forker, 0);
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
    make_mutexes();
    settle = lock_again;
    sentinel = address;
    *sentinel = 1;
    if (pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0) return SM_OK;
    sentinel = NULL;
    sm_os_unmap(address, page);
    return sm_fail_in(SM_NO_MEMORY, "pthread_atfork", ENOMEM, 0);
}
