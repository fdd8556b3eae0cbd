/* registry.c: the arenas of this process: made, found, configured and released. */
#include "registry.h"

#include <errno.h>
#include <stdlib.h>

#include "arena.h"
#include "failure.h"
#include "gate.h"

static struct sm_arena *default_arena;
static struct sm_policy default_policy = {SM_AT_REST_NOACCESS, SM_LOCK_REQUIRE, SM_BACKEND_MLOCK, 0, SM_FORK_EXCLUDE};

/* Secret memory is shared: a child's wipe would zero the parent's. */
static bool can_be(const struct sm_policy *policy) {
    return policy->fork == SM_FORK_EXCLUDE || policy->backend == SM_BACKEND_MLOCK;
}

static enum sm_status create(sm_arena **out, const struct sm_policy *policy) {
    if (!can_be(policy)) return sm_fail_in(SM_REFUSED, "fork", EINVAL, 0);
    sm_arena *arena = calloc(1, sizeof *arena);
    if (arena == NULL) return sm_fail_in(SM_NO_MEMORY, "calloc", ENOMEM, sizeof *arena);
    arena->policy = *policy;
    arena->generation = sm_generation();
    arena->held = true;
    for (size_t i = 0; i < SM_SIZE_CLASSES; i++) arena->classes[i].next_pages = 1;
    sm_arena_enlist(arena);
    *out = arena;
    return SM_OK;
}

enum sm_status sm_arena_create(sm_arena **out, const struct sm_policy *policy) {
    sm_enter();
    enum sm_status status = create(out, policy);
    sm_leave();
    return status;
}

enum sm_status sm_arena_default(sm_arena **out) {
    sm_enter();
    enum sm_status status = default_arena != NULL ? SM_OK : create(&default_arena, &default_policy);
    *out = default_arena;
    sm_leave();
    return status;
}

enum sm_status sm_arena_configure(const struct sm_policy *policy) {
    sm_enter();
    enum sm_status status = default_arena == NULL ? SM_OK : SM_CONFIGURED;
    if (status == SM_OK) default_policy = *policy;
    sm_leave();
    return status;
}

void sm_arena_release(sm_arena *arena) {
    sm_enter();
    if (arena->generation == sm_generation()) {
        arena->held = false;
        sm_arena_free_if_unused(arena);
    }
    sm_leave();
}

bool sm_arena_is_locked(const sm_arena *arena) {
    return !arena->unlocked;
}

void sm_arena_forget_default(void) {
    if (default_arena != NULL && default_arena->generation != sm_generation()) default_arena = NULL;
}
