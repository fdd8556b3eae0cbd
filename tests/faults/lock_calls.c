/* lock_calls.c: the mlock family, failing on demand; preloaded into a test's
 * child process.  FAILING_CALL names the call, FAILING_ERROR is its errno; while
 * the file FAILING_SWITCH exists, every such call fails, and others are real. */
#include <errno.h>
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

int mlock(const void *address, size_t length) {
    return fails("mlock") ? -1 : (int)syscall(SYS_mlock, address, length);
}

int mlock2(const void *address, size_t length, unsigned int flags) {
    return fails("mlock2") ? -1 : (int)syscall(SYS_mlock2, address, length, flags);
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
