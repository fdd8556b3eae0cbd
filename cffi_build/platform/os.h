/* os.h: what the core asks of the operating system, and nothing more.
 *
 * One file implements it per platform (on Linux three: linux_locks.c has what
 * stands under "locks", linux_stack.c the stack), and nothing else makes system
 * calls.  Every verb
 * returns 0 or an errno value, and on failure leaves the failed call's name and
 * errno in sm_os_failed_call().  Addresses and lengths are whole pages.
 */
#ifndef SM_OS_H
#define SM_OS_H

#include "words.h"

enum sm_access { SM_ACCESS_NONE = 0, SM_ACCESS_READ = 1, SM_ACCESS_WRITE = 2 };

size_t sm_os_page_size(void);
size_t sm_os_max_mappings(void); /* of this process */

/* Address space without access, to be opened page by page; *out says where it
 * would best be, or NULL, and then where it is. */
int sm_os_reserve(void **out, size_t length);
/* The same at an address that must be free. */
int sm_os_reserve_at(void *address, size_t length);
/* The same in the place of what is mapped there. */
int sm_os_reserve_over(void *address, size_t length);
int sm_os_unmap(void *address, size_t length);
/* Frees the frames, locked or not, and leaves the mapping. */
int sm_os_discard(void *address, size_t length);
int sm_os_protect(void *address, size_t length, enum sm_access access);

int sm_os_lock(void *address, size_t length);
int sm_os_exclude_from_dumps(void *address, size_t length);
int sm_os_exclude_from_fork(void *address, size_t length);
int sm_os_include_in_fork(void *address, size_t length);
int sm_os_exclude_from_merging(void *address, size_t length);
int sm_os_exclude_from_huge_pages(void *address, size_t length);
int sm_os_wipe_on_fork(void *address, size_t length);

/* Secret memory (memfd_secret): a file to map from, closed once mapped. */
int sm_os_secret_file(int *out, size_t length);
int sm_os_map_secret(void *address, size_t length, int file, size_t offset);
int sm_os_close(int file);
/* Makes the kernel find a frame for each page of fresh memory, which stays zero. */
int sm_os_populate(uint8_t *address, size_t length);
/* Gives a forked child frames of its own for writable memory that it shares with
 * its parent so far; what they hold is kept. */
int sm_os_unshare(uint8_t *address, size_t length);
/* The same as populating for secret memory, which cannot be populated on request. */
int sm_os_touch(uint8_t *address, size_t length);

uint64_t sm_os_boottime(void); /* nanoseconds; those of suspend count */
int sm_os_random(uint8_t *out, size_t length);
int sm_os_may_lock_beyond_limit(bool *out);

/* Flags of the whole process (prctl).  Dumpable is 0, 1, or 2 for "root only". */
int sm_os_set_dumpable(bool dumpable);
int sm_os_get_dumpable(int *out);
/* Whether the kernel merges every page of the process with equal ones (KSM);
 * EINVAL where it has no such flag, before Linux 6.4 or without CONFIG_KSM. */
int sm_os_set_merging(bool merging);
int sm_os_get_merging(bool *out);

/* Reads this process's own memory by the kernel: EFAULT where nothing is mapped, and no fault. */
int sm_os_read_own_memory(void *out, uintptr_t address, size_t length);

/* Bytes of stack left below the caller in this thread; 0 if unknown. */
size_t sm_os_stack_room(void);
/* How that is known.  An estimate may be too small, and is not too large. */
enum sm_stack_bounds sm_os_stack_bounds(void);

/* Lets other threads run. */
void sm_os_yield(void);

_Noreturn void sm_os_abort(const char *message);

/* -- locks, for memory of any owner -- */

int sm_os_lock_on_fault(void *address, size_t length);
int sm_os_unlock(void *address, size_t length);
int sm_os_lock_all(bool current, bool future, bool on_fault);
int sm_os_unlock_all(void);
int sm_os_lock_limit(size_t *out); /* bytes, the soft limit; SIZE_MAX: none */
int sm_os_locked(size_t *out);     /* bytes that the process has locked */
bool sm_os_is_mapped(void *page);
uint64_t sm_os_nanoseconds(void); /* a clock that only goes forward */

/* What the kernel says of one mapping of this process. */
struct sm_mapping {
    uintptr_t start;
    uintptr_t end;
    size_t resident;   /* bytes of it in RAM */
    size_t swapped;    /* bytes of it in swap */
    bool locked;
    bool accessible;   /* readable or writable */
    bool secret;       /* secret memory: it stays in RAM, called locked or not */
    bool never_locked; /* of a kind that mlock passes over: devices, huge page files */
};
/* Shows all of them in the order of addresses.  It works at vm.max_map_count
 * too, where large allocations fail: nothing is collected. */
typedef void sm_mapping_visitor(const struct sm_mapping *mapping, void *context);
int sm_os_mappings_visit(sm_mapping_visitor *visit, void *context);

/* The call that failed last in this thread; length: bytes asked for, or 0. */
struct sm_os_call {
    const char *name;
    int error;
    size_t length;
};
const struct sm_os_call *sm_os_failed_call(void);
/* Notes one; returns error. */
int sm_os_note(const char *name, int error, size_t length);

#endif
