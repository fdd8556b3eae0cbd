/* lock_refusal.h: what it means that the kernel would not lock: the one judge. */
#ifndef SM_LOCK_REFUSAL_H
#define SM_LOCK_REFUSAL_H

#include "words.h"

/* The call that failed is the platform's last.  ours: bytes locked for secrets,
 * which are known even where the kernel's books cannot be read. */

/* For fresh memory of ours, or for all memory (mlockall). */
enum sm_status sm_lock_refusal(int error, size_t length, size_t ours);
/* For secret memory whose frames are refused after it was mapped. */
enum sm_status sm_secret_memory_refusal(int error, uintptr_t address, size_t length, size_t ours);
/* For a range of another owner, which may have holes. */
enum sm_status sm_lock_range_refusal(int error, uintptr_t start, uintptr_t end, size_t ours);

#endif
