/* linux_stack.c: how far a thread's stack reaches down.
 *
 * pthread_getattr_np(3) knows, but for the main thread glibc reads
 * /proc/self/maps: it fails without /proc and without a free descriptor.  So it
 * is asked once per thread, and the thread that starts the core asks then.
 * Where it fails, the main thread's stack is the kernel's: it ends where the
 * program's name lies (getauxval(3), AT_EXECFN) and may grow to RLIMIT_STACK.
 */
#include "os.h"

#include <pthread.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What is believed of an estimated stack: the limit may have been raised since
 * the kernel placed mappings below it. */
#define MOST_ESTIMATED ((size_t)8 << 20)

static _Thread_local struct {
    uintptr_t lowest;
    enum sm_stack_bounds bounds;
} stack;

static bool ask_library(void) {
    pthread_attr_t attributes;
    void *address;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return false;
    bool known = pthread_attr_getstack(&attributes, &address, &size) == 0;
    pthread_attr_destroy(&attributes);
    if (known) stack.lowest = (uintptr_t)address;
    return known;
}

static bool estimate(uintptr_t here) {
    struct rlimit limit;
    uintptr_t top = getauxval(AT_EXECFN);
    if (top == 0 || syscall(SYS_gettid) != getpid() || getrlimit(RLIMIT_STACK, &limit) != 0) return false;
    top = top / sm_os_page_size() * sm_os_page_size();
    size_t size = limit.rlim_cur < MOST_ESTIMATED ? (size_t)limit.rlim_cur : MOST_ESTIMATED;
    if (here > top || top - here > size) return false; /* another stack: a thread's that forked, or a coroutine's */
    stack.lowest = top + sm_os_page_size() - size;
    return true;
}

static void ask(uintptr_t here) {
    if (stack.bounds != SM_STACK_UNKNOWN) return;
    if (ask_library()) stack.bounds = SM_STACK_KNOWN;
    else if (estimate(here)) stack.bounds = SM_STACK_ESTIMATED;
}

size_t sm_os_stack_room(void) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    ask(here);
    if (stack.bounds == SM_STACK_UNKNOWN) return 0;
    return here > stack.lowest ? here - stack.lowest : 0;
}

enum sm_stack_bounds sm_os_stack_bounds(void) {
    ask((uintptr_t)__builtin_frame_address(0));
    return stack.bounds;
}
