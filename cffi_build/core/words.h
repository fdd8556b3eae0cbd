/* words.h: the words that all units share: what is answered, and what policies
 * there are. */
#ifndef SM_WORDS_H
#define SM_WORDS_H

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
    SM_NO_STACK,    /* the thread's stack has no such room */
    SM_HOLDS_SECRETS /* pages of secrets, which only their arena unlocks */
};

enum sm_at_rest { SM_AT_REST_NOACCESS = 0, SM_AT_REST_READWRITE = 1 };
enum sm_lock { SM_LOCK_REQUIRE = 0, SM_LOCK_WARN = 1 };
enum sm_backend { SM_BACKEND_MLOCK = 0, SM_BACKEND_MEMFD_SECRET = 1 };
enum sm_fork { SM_FORK_EXCLUDE = 0, SM_FORK_INHERIT = 1 }; /* to inherit: of the mlock backend only */

enum sm_stack_bounds { SM_STACK_UNKNOWN = 0, SM_STACK_ESTIMATED = 1, SM_STACK_KNOWN = 2 };

struct sm_policy {
    int at_rest;      /* enum sm_at_rest */
    int lock;         /* enum sm_lock */
    int backend;      /* enum sm_backend */
    size_t max_bytes; /* most bytes of pages it may hold; 0: no bound */
    int fork;         /* enum sm_fork */
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
    size_t inherited_bytes; /* of page_bytes, those that forked children get too */
    size_t lost_secrets;    /* of the parent's, those that this child should have and could not take over */
};

typedef struct sm_arena sm_arena;
typedef struct sm_slot sm_slot;

#endif
