/* process.h: once per process, and at its ends. */
#ifndef SM_PROCESS_H
#define SM_PROCESS_H

#include "words.h"

enum sm_status sm_start(void);
void sm_stop(void); /* wipes all, views open or not: for exit only */

#endif
