/* store_calls.c: counts the calls that read, write, lock and name files, and ends the process, or fails, at one of them.
 *
 * Preloaded; Python arms it by ctypes in a forked child.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/types.h>
#include <unistd.h>

enum how { KILL_BEFORE, KILL_IN_THE_MIDDLE, FAIL };

static volatile long calls, target;
static enum how how;
static int failure;

void store_calls_arm(long at, int what, int error) {
    calls = 0;
    how = (enum how)what;
    failure = error;
    target = at;
}

long store_calls_count(void) {
    return calls;
}

/* Whether this is the call; a process that is to be killed before it does not return. */
static int is_it(void) {
    if (target == 0 || ++calls != target) return 0;
    if (how == KILL_BEFORE) kill(getpid(), SIGKILL);
    return 1;
}

#define REAL(type, name, ...)                                   \
    static type (*real)(__VA_ARGS__);                           \
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, #name)

#define WRITES_AT(name)                                                            \
    ssize_t name(int file, const void *data, size_t size, off64_t at) {            \
        REAL(ssize_t, name, int, const void *, size_t, off64_t);                   \
        if (is_it()) {                                                             \
            if (how == FAIL) return errno = failure, -1;                           \
            (void)!real(file, data, size / 2, at);                                 \
            kill(getpid(), SIGKILL);                                               \
        }                                                                          \
        return real(file, data, size, at);                                         \
    }
WRITES_AT(pwrite64)
WRITES_AT(pwrite)

ssize_t write(int file, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (is_it()) {
        if (how == FAIL) return errno = failure, -1;
        (void)!real(file, data, size / 2);
        kill(getpid(), SIGKILL);
    }
    return real(file, data, size);
}

/* The others have no middle: the process is killed after them. */
#define SIMPLE(name, parameters, arguments)                 \
    int name parameters {                                   \
        static int(*real) parameters;                       \
        if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, #name); \
        if (is_it()) {                                      \
            if (how == FAIL) return errno = failure, -1;    \
            (void)!real arguments;                          \
            kill(getpid(), SIGKILL);                        \
        }                                                   \
        return real arguments;                              \
    }
SIMPLE(fsync, (int file), (file))
SIMPLE(fdatasync, (int file), (file))
SIMPLE(ftruncate64, (int file, off64_t size), (file, size))
SIMPLE(ftruncate, (int file, off_t size), (file, size))
SIMPLE(unlink, (const char *path), (path))
SIMPLE(linkat, (int a, const char *b, int c, const char *d, int e), (a, b, c, d, e))
SIMPLE(link, (const char *a, const char *b), (a, b))

#define LOCKS(name)                                      \
    int name(int file, int command, ...) {               \
        REAL(int, name, int, int, ...);                  \
        va_list rest;                                    \
        va_start(rest, command);                         \
        void *argument = va_arg(rest, void *);           \
        va_end(rest);                                    \
        if (is_it()) {                                   \
            if (how == FAIL) return errno = failure, -1; \
            (void)real(file, command, argument);         \
            kill(getpid(), SIGKILL);                     \
        }                                                \
        return real(file, command, argument);            \
    }
LOCKS(fcntl)
LOCKS(fcntl64)

#define OPENS(name)                                      \
    int name(const char *path, int flags, ...) {         \
        REAL(int, name, const char *, int, ...);         \
        va_list rest;                                    \
        va_start(rest, flags);                           \
        mode_t mode = va_arg(rest, mode_t);              \
        va_end(rest);                                    \
        if (is_it()) {                                   \
            if (how == FAIL) return errno = failure, -1; \
            (void)real(path, flags, mode);               \
            kill(getpid(), SIGKILL);                     \
        }                                                \
        return real(path, flags, mode);                  \
    }
OPENS(open)
OPENS(open64)
