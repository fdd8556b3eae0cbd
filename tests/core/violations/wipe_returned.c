/* wipe_returned.c: wipes a secret that was returned. */
#include "violation.h"

int main(void) {
    sm_arena *arena = arena_of(SM_AT_REST_NOACCESS);
    taken(arena, 32);
    sm_slot *slot = taken(arena, 32);
    sm_secret_return(slot);
    sm_secret_wipe(slot);
    return 0;
}
