/* process_flags.h: what the kernel keeps for, or says of, the whole process. */
#ifndef SM_PROCESS_FLAGS_H
#define SM_PROCESS_FLAGS_H

#include "words.h"

enum sm_status sm_random(uint8_t *out, size_t length);
/* Nanoseconds since the machine booted, those of suspend counted (CLOCK_BOOTTIME). */
uint64_t sm_boottime(void);
/* Whether this process may lock more than RLIMIT_MEMLOCK, by trial. */
bool sm_lock_is_unlimited(void);
/* Bytes that it has locked; where /proc does not tell, those of secrets alone, and false. */
bool sm_locked_bytes(size_t *out);

enum sm_status sm_process_set_dumpable(bool dumpable);
enum sm_status sm_process_dumpable(int *out); /* 0, 1, or 2 for "root only" */
enum sm_status sm_process_set_merging(bool merging);
enum sm_status sm_process_merging(bool *out); /* false where the kernel cannot */
/* Copies length bytes at address, whoever owns them; SM_REFUSED if unmapped. */
enum sm_status sm_process_peek(uint8_t *out, uintptr_t address, size_t length);
/* Maps a page of memfd_secret and gives it back: SM_NO_BACKEND where it cannot be
 * had.  of_user: it counts against what the user's processes may lock together. */
enum sm_status sm_process_try_secret_memory(bool *of_user);
/* How this thread's stack is known: of an unknown one nothing can be cleared. */
enum sm_stack_bounds sm_process_stack_bounds(void);

#endif
