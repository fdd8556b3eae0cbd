/* lock_calls.c: the mlock family, failing on demand; preloaded into a test's
 * child process.  FAILING_CALL names the call, FAILING_ERROR is its errno; while
 * the file FAILING_SWITCH exists, every such call fails, and others are real.
 *
 * mlock2 is caught where the core calls it, in syscall(). */
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(const char *call) {
    const char *wanted = getenv("FAILING_CALL");
    if (wanted == NULL || strcmp(wanted, call) != 0 || access(getenv("FAILING_SWITCH"), F_OK) != 0) return 0;
    errno = atoi(getenv("FAILING_ERROR"));
    return 1;
}

long syscall(long number, ...) {
    static long (*real)(long, ...);
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    if (number == SYS_mlock2 && fails("mlock2")) return -1;
    long words[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) words[i] = va_arg(list, long);
    va_end(list);
    return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

int mlock(const void *address, size_t length) {
    return fails("mlock") ? -1 : (int)syscall(SYS_mlock, address, length);
}

int munlock(const void *address, size_t length) {
    return fails("munlock") ? -1 : (int)syscall(SYS_munlock, address, length);
}

int mlockall(int flags) {
    return fails("mlockall") ? -1 : (int)syscall(SYS_mlockall, flags);
}

int munlockall(void) {
    return fails("munlockall") ? -1 : (int)syscall(SYS_munlockall);
}
