/* linux.c: the verbs of os.h on Linux; but for the files linux_*.c no other
 * makes system calls.  Each verb is one call, its result checked, its
 * failure noted.
 *
 * Sources: mmap(2), mremap(2), mprotect(2), mlock(2), madvise(2),
 * memfd_secret(2), getrandom(2), prctl(2), process_vm_readv(2), and proc(5) for
 * vm.max_map_count.
 */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Kernel numbers that older C libraries do not name. */
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447 /* the same on every architecture */
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif
#define DEFAULT_MAX_MAPPINGS 65530

static _Thread_local struct sm_os_call failed;

const struct sm_os_call *sm_os_failed_call(void) {
    return &failed;
}

int sm_os_note(const char *name, int error, size_t length) {
    failed = (struct sm_os_call){.name = name, .error = error, .length = length};
    return error;
}

static int outcome(int result, const char *name, size_t length) {
    return result == 0 ? 0 : sm_os_note(name, errno, length);
}

size_t sm_os_page_size(void) {
    static size_t size; /* the same whoever writes it */
    if (size == 0) size = (size_t)sysconf(_SC_PAGESIZE);
    return size;
}

size_t sm_os_max_mappings(void) {
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    if (file == NULL) return DEFAULT_MAX_MAPPINGS;
    size_t count;
    if (fscanf(file, "%zu", &count) != 1) count = DEFAULT_MAX_MAPPINGS;
    fclose(file);
    return count;
}

int sm_os_reserve(void **out, size_t length) {
    void *address = mmap(*out, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) return sm_os_note("mmap", errno, length);
    *out = address;
    return 0;
}

int sm_os_reserve_at(void *address, size_t length) {
    void *got = mmap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got == MAP_FAILED) return sm_os_note("mmap(MAP_FIXED_NOREPLACE)", errno, length);
    if (got != address) { /* kernels before 4.17 take the address as a hint */
        munmap(got, length);
        return sm_os_note("mmap(MAP_FIXED_NOREPLACE)", EEXIST, length);
    }
    return 0;
}

int sm_os_reserve_over(void *address, size_t length) {
    void *got = mmap(address, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return got == address ? 0 : sm_os_note("mmap(MAP_FIXED)", errno, length);
}

int sm_os_unmap(void *address, size_t length) {
    return outcome(munmap(address, length), "munmap", length);
}

int sm_os_discard(void *address, size_t length) {
    return outcome(madvise(address, length, MADV_DONTNEED_LOCKED), "madvise(MADV_DONTNEED_LOCKED)", length);
}

int sm_os_protect(void *address, size_t length, enum sm_access access) {
    static const int protection[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
    return outcome(mprotect(address, length, protection[access]), "mprotect", length);
}

int sm_os_lock(void *address, size_t length) {
    return outcome(mlock(address, length), "mlock", length);
}

int sm_os_exclude_from_dumps(void *address, size_t length) {
    return outcome(madvise(address, length, MADV_DONTDUMP), "madvise(MADV_DONTDUMP)", length);
}

int sm_os_exclude_from_fork(void *address, size_t length) {
    return outcome(madvise(address, length, MADV_DONTFORK), "madvise(MADV_DONTFORK)", length);
}

int sm_os_include_in_fork(void *address, size_t length) {
    return outcome(madvise(address, length, MADV_DOFORK), "madvise(MADV_DOFORK)", length);
}

/* EINVAL says that the kernel was built without the feature: nothing to turn off. */
static int satisfied_without(int result, const char *call, size_t length) {
    return result != 0 && errno == EINVAL ? 0 : outcome(result, call, length);
}

int sm_os_exclude_from_merging(void *address, size_t length) {
    return satisfied_without(madvise(address, length, MADV_UNMERGEABLE), "madvise(MADV_UNMERGEABLE)", length);
}

int sm_os_exclude_from_huge_pages(void *address, size_t length) {
    return satisfied_without(madvise(address, length, MADV_NOHUGEPAGE), "madvise(MADV_NOHUGEPAGE)", length);
}

int sm_os_wipe_on_fork(void *address, size_t length) {
    return outcome(madvise(address, length, MADV_WIPEONFORK), "madvise(MADV_WIPEONFORK)", length);
}

int sm_os_secret_file(int *out, size_t length) {
    long file = syscall(SYS_memfd_secret, O_CLOEXEC);
    if (file < 0) return sm_os_note("memfd_secret", errno, length);
    if (ftruncate((int)file, (off_t)length) != 0) {
        int error = errno;
        close((int)file);
        return sm_os_note("ftruncate", error, length);
    }
    *out = (int)file;
    return 0;
}

/* Mapped elsewhere and then moved: mmap with MAP_FIXED that is refused for want
 * of a limit leaves a hole, which another thread's mapping could fill before the
 * region around it is unmapped. */
int sm_os_map_secret(void *address, size_t length, int file, size_t offset) {
    void *got = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)offset);
    if (got == MAP_FAILED) return sm_os_note("mmap", errno, length);
    if (mremap(got, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, address) == address) return 0;
    int error = sm_os_note("mremap", errno, length);
    munmap(got, length);
    return error;
}

int sm_os_close(int file) {
    return outcome(close(file), "close", 0);
}

/* The C library has getrandom() since glibc 2.25; the kernel's call is older. */
static long random_bytes(void *out, size_t length) {
    return syscall(SYS_getrandom, out, length, 0);
}

/* The kernel writes, so that a frame it does not have is an error here; a write
 * of our own would be a SIGBUS. */
int sm_os_touch(uint8_t *address, size_t length) {
    for (size_t offset = 0; offset < length; offset += sm_os_page_size()) {
        if (random_bytes(address + offset, 1) != 1) return sm_os_note("touching a page", errno, length);
        address[offset] = 0;
    }
    return 0;
}

/* EINVAL: before Linux 5.14 there is no such advice.  A frame that cannot be had
 * is EAGAIN, as it is to mlock(2). */
int sm_os_populate(uint8_t *address, size_t length) {
    if (madvise(address, length, MADV_POPULATE_WRITE) == 0) return 0;
    int error = errno == EINVAL ? sm_os_touch(address, length) : errno;
    if (error == 0) return 0;
    return sm_os_note("madvise(MADV_POPULATE_WRITE)", error == ENOMEM || error == EFAULT ? EAGAIN : error, length);
}

/* Both write-fault each page, which ends the sharing.  mlock(2) does where the
 * advice is not there, before Linux 5.14. */
int sm_os_unshare(uint8_t *address, size_t length) {
    if (madvise(address, length, MADV_POPULATE_WRITE) == 0) return 0;
    if (errno == EINVAL) return sm_os_lock(address, length);
    return sm_os_note("madvise(MADV_POPULATE_WRITE)", errno, length);
}

int sm_os_random(uint8_t *out, size_t length) {
    while (length > 0) {
        long got = random_bytes(out, length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return sm_os_note("getrandom", errno, length);
        out += got;
        length -= (size_t)got;
    }
    return 0;
}

/* Locks a page more than the limit leaves, without populating it: only a
 * process with CAP_IPC_LOCK in the right user namespace gets through.  Readable
 * memory, since Linux 5.10 refuses to lock what has no access. */
int sm_os_may_lock_beyond_limit(bool *out) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return sm_os_note("getrlimit", errno, 0);
    *out = limit.rlim_cur == RLIM_INFINITY;
    if (*out) return 0;
    size_t length = (size_t)limit.rlim_cur / sm_os_page_size() * sm_os_page_size() + sm_os_page_size();
    void *trial = mmap(NULL, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (trial == MAP_FAILED) return sm_os_note("mmap", errno, length);
    *out = syscall(SYS_mlock2, trial, length, MLOCK_ONFAULT) == 0;
    return outcome(munmap(trial, length), "munmap", length);
}

int sm_os_set_dumpable(bool dumpable) {
    return outcome(prctl(PR_SET_DUMPABLE, dumpable ? 1L : 0L, 0L, 0L, 0L), "prctl(PR_SET_DUMPABLE)", 0);
}

int sm_os_get_dumpable(int *out) {
    int got = prctl(PR_GET_DUMPABLE, 0L, 0L, 0L, 0L);
    if (got < 0) return sm_os_note("prctl(PR_GET_DUMPABLE)", errno, 0);
    *out = got;
    return 0;
}

int sm_os_set_merging(bool merging) {
    return outcome(prctl(PR_SET_MEMORY_MERGE, merging ? 1L : 0L, 0L, 0L, 0L), "prctl(PR_SET_MEMORY_MERGE)", 0);
}

int sm_os_get_merging(bool *out) {
    int got = prctl(PR_GET_MEMORY_MERGE, 0L, 0L, 0L, 0L);
    if (got < 0) return sm_os_note("prctl(PR_GET_MEMORY_MERGE)", errno, 0);
    *out = got != 0;
    return 0;
}

int sm_os_read_own_memory(void *out, uintptr_t address, size_t length) {
    struct iovec to = {.iov_base = out, .iov_len = length};
    struct iovec from = {.iov_base = (void *)address, .iov_len = length};
    ssize_t got = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    if (got < 0) return sm_os_note("process_vm_readv", errno, length);
    return (size_t)got == length ? 0 : sm_os_note("process_vm_readv", EFAULT, length);
}

void sm_os_yield(void) {
    sched_yield();
}

void sm_os_abort(const char *message) {
    static const char prefix[] = "securemem: fatal: ";
    bool heard = write(STDERR_FILENO, prefix, sizeof prefix - 1) > 0;
    heard = heard && write(STDERR_FILENO, message, strlen(message)) > 0 && write(STDERR_FILENO, "\n", 1) > 0;
    (void)heard; /* the process ends whether or not it was */
    abort();
}
