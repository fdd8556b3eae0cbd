/* inside.c: returns a pointer into a secret's bookkeeping, not to its start. */
#include "violation.h"

int main(void) {
    sm_arena *arena = arena_of(SM_AT_REST_NOACCESS);
    sm_slot *slot = taken(arena, 32);
    taken(arena, 32);
    sm_secret_return((sm_slot *)((uint8_t *)slot + 8));
    return 0;
}
