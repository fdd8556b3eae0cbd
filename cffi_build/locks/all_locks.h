/* all_locks.h: mlockall and munlockall, and the stack that MCL_FUTURE would not let grow. */
#ifndef SM_ALL_LOCKS_H
#define SM_ALL_LOCKS_H

#include "words.h"

struct sm_unlocking {
    size_t unlocked_bytes;
    size_t gap_bytes;         /* secrets and counted locks that lay unlocked in between */
    uint64_t gap_nanoseconds; /* for how long */
};
enum sm_status sm_lock_all(bool current, bool future, bool on_fault);
enum sm_status sm_unlock_all(struct sm_unlocking *out, bool allow_gap);
/* Touches length bytes of stack below the caller. */
enum sm_status sm_stack_reserve(size_t length);

#endif
