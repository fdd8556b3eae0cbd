/* verify.h: what of ours is locked, by the kernel's word; locks again what is not. */
#ifndef SM_VERIFY_H
#define SM_VERIFY_H

#include "words.h"

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

/* Under the core's mutex: locks a window's pages and brings them in, closed or
 * not; 0 or an errno value. */
struct sm_window;
int sm_page_lock_window(struct sm_window *window);

#endif
