/* statistics.h: what the arenas hold now, and what still fits. */
#ifndef SM_STATISTICS_H
#define SM_STATISTICS_H

#include "words.h"

enum sm_status sm_arena_statistics(sm_arena *arena, struct sm_statistics *out); /* NULL: all */
/* How many more secrets of length fit if lockable more bytes may be locked. */
enum sm_status sm_arena_fits(sm_arena *arena, size_t *out, size_t length, size_t lockable);

#endif
