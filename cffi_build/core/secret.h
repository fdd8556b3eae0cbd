/* secret.h: what the core itself asks of secret.c and purge.c; the rest is in
 * securemem.h. */
#ifndef SM_SECRET_H
#define SM_SECRET_H

#include "slab.h"

/* Takes the core's mutex for a slot; SM_FORKED, and no mutex, in a child. */
enum sm_status sm_secret_enter(const struct sm_slot *slot);

/* The rest under the core's mutex. */
size_t sm_secret_views(const struct sm_slot *slot); /* open now */
/* Wipes, whoever has a view; false: the kernel refused, and it is pending. */
bool sm_secret_wipe_now(struct sm_slot *slot);
void sm_secret_wipe_all(void);       /* for exit */
void sm_secret_forget_pending(void); /* in a forked child */
void sm_secret_retry_pending(void);
size_t sm_secret_pending(void);

#endif
