/* secret.h: what the core itself asks of secret.c; the rest is in securemem.h. */
#ifndef SM_SECRET_H
#define SM_SECRET_H

#include <stddef.h>

/* Under the core's mutex. */
void sm_secret_wipe_all(void);       /* views or not: the process ends */
void sm_secret_forget_pending(void); /* in a forked child */
void sm_secret_retry_pending(void);
size_t sm_secret_pending(void);

#endif
