/* free_canary.c: writes where the canary of a free slot will be; found when a secret there is first read. */
#include "violation.h"

int main(void) {
    sm_arena *arena = arena_of(SM_AT_REST_READWRITE);
    sm_slot *slot = taken(arena, 32);
    volatile uint8_t *data = opened(slot, true);
    sm_secret_close(slot, true);
    sm_secret_return(slot);
    data[32] = 1;
    opened(taken(arena, 32), false);
    return 0;
}
