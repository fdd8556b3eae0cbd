/* store_writes.c: records what a process does to files, in its order: writes, sizes, syncs, names.
 *
 * Preloaded; Python starts and ends it by ctypes.  A record is a line, "what place size path", and the bytes written.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static volatile int record = -1;

void store_writes_to(int file) {
    record = file;
}

#define REAL(type, name, ...)                                   \
    static type (*real)(__VA_ARGS__);                           \
    if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, #name)

static ssize_t really_write(int file, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    return real(file, data, size);
}

static void note(const char *what, long place, size_t size, const char *path, const void *data) {
    char line[4200];
    int kept = errno, length = snprintf(line, sizeof line, "%s %ld %zu %s\n", what, place, size, path);
    (void)!really_write(record, line, (size_t)length);
    if (data != NULL) (void)!really_write(record, data, size);
    errno = kept;
}

static void note_file(const char *what, long place, size_t size, int file, const void *data) {
    char link[64], path[4096];
    if (record < 0 || file == record) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    note(what, place, size, path, data);
}

#define WRITES_AT(name)                                                   \
    ssize_t name(int file, const void *data, size_t size, off64_t at) {   \
        REAL(ssize_t, name, int, const void *, size_t, off64_t);          \
        ssize_t done = real(file, data, size, at);                        \
        if (done > 0) note_file("write", (long)at, (size_t)done, file, data); \
        return done;                                                      \
    }
WRITES_AT(pwrite64)
WRITES_AT(pwrite)

ssize_t write(int file, const void *data, size_t size) {
    off64_t at = record >= 0 && file != record ? lseek64(file, 0, SEEK_CUR) : -1;
    ssize_t done = really_write(file, data, size);
    if (done > 0 && at >= 0) note_file("write", (long)at, (size_t)done, file, data);
    return done;
}

#define SYNCS(name)                                       \
    int name(int file) {                                  \
        REAL(int, name, int);                             \
        int done = real(file);                            \
        if (done == 0) note_file("sync", 0, 0, file, NULL); \
        return done;                                      \
    }
SYNCS(fsync)
SYNCS(fdatasync)

#define CUTS(name, type)                                          \
    int name(int file, type size) {                               \
        REAL(int, name, int, type);                               \
        int done = real(file, size);                              \
        if (done == 0) note_file("size", (long)size, 0, file, NULL); \
        return done;                                              \
    }
CUTS(ftruncate64, off64_t)
CUTS(ftruncate, off_t)

#define MAKES(name, parameters, arguments)                                 \
    int name parameters {                                                  \
        static int(*real) parameters;                                      \
        if (real == NULL) *(void **)&real = dlsym(RTLD_NEXT, #name);       \
        int done = real arguments;                                         \
        if (done == 0 && record >= 0) note("create", 0, 0, path, NULL);    \
        return done;                                                       \
    }
int mknod(const char *path, mode_t mode, dev_t device); /* the next one is what older C libraries have */
int __xmknod(int version, const char *path, mode_t mode, dev_t *device);
MAKES(mknod, (const char *path, mode_t mode, dev_t device), (path, mode, device))
MAKES(__xmknod, (int version, const char *path, mode_t mode, dev_t *device), (version, path, mode, device))

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    int done = real(path);
    if (done == 0 && record >= 0) note("unlink", 0, 0, path, NULL);
    return done;
}

static void note_link(const char *from, const char *to) {
    if (record < 0) return;
    note("link", 0, strlen(to), from, to);
}

int link(const char *from, const char *to) {
    REAL(int, link, const char *, const char *);
    int done = real(from, to);
    if (done == 0) note_link(from, to);
    return done;
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    REAL(int, linkat, int, const char *, int, const char *, int);
    int done = real(a, from, b, to, flags);
    if (done == 0) note_link(from, to);
    return done;
}

#define OPENS(name)                                            \
    int name(const char *path, int flags, ...) {               \
        REAL(int, name, const char *, int, ...);               \
        va_list rest;                                          \
        va_start(rest, flags);                                 \
        mode_t mode = va_arg(rest, mode_t);                    \
        va_end(rest);                                          \
        int made = flags & O_CREAT ? access(path, F_OK) : 0;   \
        int file = real(path, flags, mode);                    \
        if (file >= 0 && made != 0) note_file("create", 0, 0, file, NULL); \
        return file;                                           \
    }
OPENS(open)
OPENS(open64)
