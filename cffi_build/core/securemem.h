/* securemem.h: the contract of the compiled core.
 *
 * The core holds secrets in memory that is locked into RAM, left out of core
 * dumps, not inherited by forked children, and zeroed before it is given back.
 *
 * LAYOUT.  A secret lives in a slot.  Slots of one size class fill the pages
 * of a slab; what the core knows about them (struct sm_slot) is kept outside
 * the locked pages.
 *
 *   no-access arena, a guard between all pages:   read-write arena:
 *     [guard][page][guard][page][guard]             [guard][page][page][guard]
 *
 *   page:  | secret 0 ..... |slack|canary| secret 1 ... |slack|canary| rest |
 *
 *   large request, a run of its own, data's end at the trailing guard:
 *     [guard][ slack | secret ......................... ][guard]
 *
 * A slot that is free is zero, so taking one opens no page.  Its canary is there
 * from its first opening for writing to its wiping; slack is zero for as long as
 * the slot is in use.  A canary, a slack byte or a free byte that changed means
 * that a write ran over: the process is aborted with a message.
 *
 * ACCESS.  In a no-access arena a page with a taken slot has no access while no
 * view is open.  A page without one is zero, and stays accessible until it has
 * one again: a secret that is made, written and released where no other lies
 * costs two mprotects.
 *
 * OWNERSHIP.  sm_secret_take hands out a slot; it stays the caller's until
 * sm_secret_return.  An arena lives until its handle is released and its last
 * slot is back.  Views (sm_secret_open) must be closed with the same access.
 *
 * THREADS.  One mutex guards all of it.  Every function may be called from any
 * thread, with or without the GIL, and none calls back into Python.
 *
 * FORK.  In a child the parent's pages do not exist.  Every function given an
 * arena or slot made before the fork answers SM_FORKED.
 *
 * ARGUMENT ORDER.  Object first, then outputs, then inputs, each length after
 * its buffer.  Every function that can fail returns enum sm_status; the system
 * call behind it, if one failed, is in sm_failure_get() of the same thread.
 */
#ifndef SECUREMEM_H
#define SECUREMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sm_status {
    SM_OK = 0,
    SM_BAD_SIZE,    /* zero, or too large to be mapped */
    SM_FORKED,      /* made before a fork, used in the child */
    SM_WIPED,       /* wiped, or to be wiped at the last close */
    SM_EXPORTED,    /* a view is open */
    SM_FROZEN,      /* writable access to a frozen secret */
    SM_CLOSED,      /* the arena is closed */
    SM_FULL,        /* the arena's own max_bytes is reached */
    SM_CONFIGURED,  /* the default arena exists already */
    SM_LOCK_LIMIT,  /* RLIMIT_MEMLOCK is reached */
    SM_LOCK_FAILED, /* the kernel refused to lock for another reason */
    SM_NO_MEMORY,   /* no memory or address space */
    SM_REFUSED,     /* the kernel refused a required protection */
    SM_NO_RANDOM,   /* getrandom failed */
    SM_NO_BACKEND,  /* the backend is not to be had here */
    SM_BAD_SOURCE,  /* a source buffer in pieces, or read-only where it is to be wiped */
    SM_UNMAPPED,    /* a page to be locked does not exist, or has no access */
    SM_MAPPINGS,    /* vm.max_map_count is reached */
    SM_LOCK_LOST,   /* pages that should be locked are not, and could not be locked again */
    SM_NO_SMAPS,    /* /proc/self/smaps cannot be read */
    SM_NO_STACK     /* the thread's stack has no such room */
};

enum sm_at_rest { SM_AT_REST_NOACCESS = 0, SM_AT_REST_READWRITE = 1 };
enum sm_lock { SM_LOCK_REQUIRE = 0, SM_LOCK_WARN = 1 };
enum sm_backend { SM_BACKEND_MLOCK = 0, SM_BACKEND_MEMFD_SECRET = 1 };

enum sm_stack_bounds { SM_STACK_UNKNOWN = 0, SM_STACK_ESTIMATED = 1, SM_STACK_KNOWN = 2 };

struct sm_policy {
    int at_rest;      /* enum sm_at_rest */
    int lock;         /* enum sm_lock */
    int backend;      /* enum sm_backend */
    size_t max_bytes; /* most bytes of pages it may hold; 0: no bound */
};

/* The system call behind the last failure in this thread. */
struct sm_failure {
    const char *call; /* "mlock", "madvise(MADV_DONTDUMP)"; NULL: none */
    int error;        /* its errno */
    size_t wanted;    /* bytes asked for; 0 where it makes no sense */
};

struct sm_statistics {
    size_t live_secrets;   /* slots that hold a secret */
    size_t live_bytes;     /* their lengths, added */
    size_t page_bytes;     /* bytes of pages held, guards left out */
    size_t locked_bytes;   /* of those, locked */
    size_t runs;           /* page runs */
    size_t mappings;       /* kernel mappings that they take at most */
    size_t open_windows;   /* views open now */
    size_t failed_closes;  /* closings the kernel refused, ever */
    size_t stuck_pages;    /* page ranges still open because of that */
    size_t pending_wipes;  /* slots that could not be opened to be wiped */
};

/* Where a secret lies, for reading its protection back from the kernel. */
struct sm_location {
    uintptr_t pages;        /* first byte of the pages that hold it */
    size_t pages_length;    /* bytes */
    uintptr_t guard_before; /* the guard page below its run */
    uintptr_t guard_after;  /* the guard page above its run */
    int backend;            /* enum sm_backend */
    bool stuck;             /* a closing failed and is still to be repeated */
};

typedef struct sm_arena sm_arena;
typedef struct sm_slot sm_slot;

/* process.c: once per process, and at its ends */
enum sm_status sm_start(void);
void sm_stop(void); /* wipes all, views open or not: for exit only */
/* A number that is another one in every forked child, raw clones included. */
uint64_t sm_fork_generation(void);
/* Nanoseconds since the machine booted, those of suspend counted (CLOCK_BOOTTIME). */
uint64_t sm_boottime(void);
const struct sm_failure *sm_failure_get(void);

/* registry.c, purge.c (close), statistics.c */
enum sm_status sm_arena_create(sm_arena **out, const struct sm_policy *policy);
enum sm_status sm_arena_default(sm_arena **out);
enum sm_status sm_arena_configure(const struct sm_policy *policy);
enum sm_status sm_arena_close(sm_arena *arena, size_t *waiting);
void sm_arena_release(sm_arena *arena);
enum sm_status sm_arena_statistics(sm_arena *arena, struct sm_statistics *out);
/* How many more secrets of length fit if lockable more bytes may be locked. */
enum sm_status sm_arena_fits(sm_arena *arena, size_t *out, size_t length, size_t lockable);
bool sm_arena_is_locked(const sm_arena *arena); /* false once lock="warn" went without */

/* secret.c, compare.c, purge.c */
enum sm_status sm_secret_take(sm_slot **out, sm_arena *arena, size_t length);
/* Takes a slot and opens it for writing, in one step: data is zero, and is to be
 * closed by sm_secret_close(slot, true).  On a page without other secrets this
 * asks the kernel for nothing, so that the closing is the first mprotect.  To
 * give up: sm_secret_wipe (SM_EXPORTED), then close, then return; on such a page
 * that asks for nothing either. */
enum sm_status sm_secret_take_open(sm_slot **out, uint8_t **data, sm_arena *arena, size_t length);
enum sm_status sm_secret_open(sm_slot *slot, uint8_t **data, bool writable);
void sm_secret_close(sm_slot *slot, bool writable);
/* In constant time for a length; lengths that differ are not equal. */
enum sm_status sm_secret_equal(sm_slot *slot, bool *equal, const uint8_t *other, size_t length);
enum sm_status sm_secret_equal_secret(sm_slot *slot, bool *equal, sm_slot *other);
enum sm_status sm_secret_freeze(sm_slot *slot);
enum sm_status sm_secret_wipe(sm_slot *slot); /* SM_EXPORTED: done at the last close */
void sm_secret_return(sm_slot *slot);
enum sm_status sm_secret_state(sm_slot *slot); /* SM_OK, SM_WIPED, SM_FORKED */
enum sm_status sm_secret_locate(sm_slot *slot, struct sm_location *out);
sm_arena *sm_secret_arena(const sm_slot *slot);
/* Wipes every secret, or every one of an arena; counts the views it waits for. */
size_t sm_secret_purge(void);

/* page_locks.c: memory that others own, whole pages around the bytes given.  A
 * page is unlocked when its last lock goes; secrets' own pages never are. */
enum sm_status sm_page_lock(uint64_t *generation, const void *address, size_t length, bool on_fault);
/* The same range and generation; nothing to do in a child forked since. */
enum sm_status sm_page_unlock(const void *address, size_t length, bool on_fault, uint64_t generation);
enum sm_status sm_page_is_locked(bool *out, const void *address, size_t length);
bool sm_page_lock_lives(uint64_t generation); /* false in a child forked since */

/* all_locks.c: the whole process */
struct sm_unlocking {
    size_t unlocked_bytes;
    size_t gap_bytes;         /* secrets and counted locks that lay unlocked in between */
    uint64_t gap_nanoseconds; /* for how long */
};
enum sm_status sm_lock_all(bool current, bool future, bool on_fault);
enum sm_status sm_unlock_all(struct sm_unlocking *out, bool allow_gap);
/* Touches length bytes of stack below the caller. */
enum sm_status sm_stack_reserve(size_t length);
/* How this thread's stack is known: of an unknown one nothing can be cleared. */
enum sm_stack_bounds sm_stack_bounds(void);

/* verify.c: what of ours is locked, by the kernel's word; locks again what is not. */
struct sm_verification {
    size_t secret_bytes;          /* pages of secrets that should be locked */
    size_t lock_bytes;            /* pages under page locks */
    size_t repaired_secret_bytes; /* were not, and are again */
    size_t repaired_lock_bytes;
    size_t swapped_bytes;         /* found in swap, in the mappings of those */
    size_t gone_bytes;            /* under page locks, but unmapped by their owner */
    size_t unlocked_bytes;        /* could not be locked again: SM_LOCK_LOST */
};
enum sm_status sm_verify(struct sm_verification *out);

/* platform/ */
enum sm_status sm_random(uint8_t *out, size_t length);
/* Whether this process may lock more than RLIMIT_MEMLOCK, by trial. */
bool sm_lock_is_unlimited(void);

/* process_flags.c: what holds for the whole process */
enum sm_status sm_process_set_dumpable(bool dumpable);
enum sm_status sm_process_dumpable(int *out); /* 0, 1, or 2 for "root only" */
enum sm_status sm_process_set_merging(bool merging);
enum sm_status sm_process_merging(bool *out); /* false where the kernel cannot */
/* Copies length bytes at address, whoever owns them; SM_REFUSED if unmapped. */
enum sm_status sm_process_peek(uint8_t *out, uintptr_t address, size_t length);
/* Maps a page of memfd_secret and gives it back: SM_NO_BACKEND where it cannot be had. */
enum sm_status sm_process_try_secret_memory(void);

#endif
