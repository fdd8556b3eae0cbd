/* registry.h: the arenas of this process, for their users. */
#ifndef SM_REGISTRY_H
#define SM_REGISTRY_H

#include "words.h"

enum sm_status sm_arena_create(sm_arena **out, const struct sm_policy *policy);
enum sm_status sm_arena_default(sm_arena **out);
enum sm_status sm_arena_configure(const struct sm_policy *policy);
void sm_arena_release(sm_arena *arena);
bool sm_arena_is_locked(const sm_arena *arena); /* false once lock="warn" went without */

/* In a forked child: forgets the default arena, unless it came along. */
void sm_arena_forget_default(void);

#endif
