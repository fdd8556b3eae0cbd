/* free_slot.c: writes where a secret was; found when the next one is made there. */
#include "violation.h"

int main(void) {
    sm_arena *arena = arena_of(SM_AT_REST_NOACCESS);
    sm_slot *slot = taken(arena, 32);
    volatile uint8_t *data = opened(slot, true);
    sm_secret_close(slot, true);
    sm_secret_return(slot);
    data[31] = 1; /* no fault: the page has no secret, and is accessible until it has one */
    uint8_t *fresh;
    sm_secret_take_open(&slot, &fresh, arena, 32);
    return 0;
}
