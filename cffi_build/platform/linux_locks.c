/* linux_locks.c: the verbs of os.h that lock and unlock, and those that ask
 * what is locked.
 *
 * Sources: mlock(2), mlockall(2), mincore(2), getrlimit(2), and proc(5) for
 * smaps, whose VmFlags are the only place where the kernel tells of a lock.
 */
#include "os.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Kernel numbers that older C libraries do not name. */
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

/* The C library has mlock2() since glibc 2.27; the kernel's call is older. */
int sm_os_lock_on_fault(void *address, size_t length) {
    return syscall(SYS_mlock2, address, length, MLOCK_ONFAULT) == 0 ? 0 : sm_os_note("mlock2", errno, length);
}

int sm_os_unlock(void *address, size_t length) {
    return munlock(address, length) == 0 ? 0 : sm_os_note("munlock", errno, length);
}

int sm_os_lock_all(bool current, bool future, bool on_fault) {
    int flags = (current ? MCL_CURRENT : 0) | (future ? MCL_FUTURE : 0) | (on_fault ? MCL_ONFAULT : 0);
    return mlockall(flags) == 0 ? 0 : sm_os_note("mlockall", errno, 0);
}

int sm_os_unlock_all(void) {
    return munlockall() == 0 ? 0 : sm_os_note("munlockall", errno, 0);
}

int sm_os_lock_limit(size_t *out) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return sm_os_note("getrlimit", errno, 0);
    *out = limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)limit.rlim_cur;
    return 0;
}

int sm_os_locked(size_t *out) {
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL) return sm_os_note("open(/proc/self/status)", errno, 0);
    char line[256]; /* a longer one is a list of groups */
    int error = ENOENT;
    while (error != 0 && fgets_unlocked(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmLck:", 6) != 0) continue;
        *out = (size_t)strtoumax(line + 6, NULL, 10) * 1024;
        error = 0;
    }
    fclose(file);
    return error == 0 ? 0 : sm_os_note("read(/proc/self/status)", error, 0);
}

bool sm_os_is_mapped(void *page) {
    unsigned char resident;
    return mincore(page, sm_os_page_size(), &resident) == 0;
}

uint64_t sm_os_nanoseconds(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Mappings that mlock skips without a word: devices, huge page files, memory
 * that may be dropped (the kernel's VM_SPECIAL and its like). */
static bool is_never_locked(const char *flags) {
    static const char *const names[] = {" io", " pf", " mm", " de", " ht", " dp"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strstr(flags, names[i]) != NULL) return true;
    }
    return false;
}

/* "5591d4846000-5591d4847000 r--p ..." */
static struct sm_mapping mapping_of(const char *line) {
    char *rest;
    struct sm_mapping mapping = {0};
    mapping.start = (uintptr_t)strtoumax(line, &rest, 16);
    if (*rest == '-') mapping.end = (uintptr_t)strtoumax(rest + 1, &rest, 16);
    mapping.accessible = rest[0] == ' ' && (rest[1] == 'r' || rest[2] == 'w');
    mapping.secret = strstr(rest, " /secretmem (deleted)\n") != NULL;
    return mapping;
}

/* A mapping is a line of addresses, lines of figures, and at last VmFlags. */
int sm_os_mappings_visit(sm_mapping_visitor *visit, void *context) {
    FILE *file = fopen("/proc/self/smaps", "re");
    if (file == NULL) return sm_os_note("open(/proc/self/smaps)", errno, 0);
    struct sm_mapping mapping = {0};
    char line[512]; /* a longer one is a long path's end, and reads as nothing we look for */
    while (fgets_unlocked(line, sizeof line, file) != NULL) {
        if (line[0] == 'V' && strncmp(line, "VmFlags:", 8) == 0) {
            mapping.locked = strstr(line, " lo") != NULL;
            mapping.never_locked = is_never_locked(line);
            visit(&mapping, context);
        } else if (line[0] == 'R' && strncmp(line, "Rss:", 4) == 0) {
            mapping.resident = (size_t)strtoumax(line + 4, NULL, 10) * 1024;
        } else if (line[0] == 'S' && strncmp(line, "Swap:", 5) == 0) {
            mapping.swapped = (size_t)strtoumax(line + 5, NULL, 10) * 1024;
        } else if ((line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f')) {
            mapping = mapping_of(line);
        }
    }
    bool failed = ferror(file) != 0;
    fclose(file);
    return failed ? sm_os_note("read(/proc/self/smaps)", EIO, 0) : 0;
}
