/* purge.h: wiping many secrets. */
#ifndef SM_PURGE_H
#define SM_PURGE_H

#include "words.h"

/* Wipes every secret, or every one of an arena, which takes no new ones; counts
 * the views that it waits for. */
size_t sm_secret_purge(void);
enum sm_status sm_arena_close(sm_arena *arena, size_t *waiting);
/* For exit, under the core's mutex: views open or not. */
void sm_secret_wipe_all(void);

#endif
