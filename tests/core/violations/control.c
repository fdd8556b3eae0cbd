/* control.c: no violation: the same steps as the others, as they are allowed. Ends with 0. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_NOACCESS), 32);
    volatile uint8_t *data = opened(slot, true);
    for (size_t i = 0; i < 32; i++) data[i] = 1;
    sm_secret_close(slot, true);
    must(opened(slot, false)[31] == 1, "read back");
    sm_secret_close(slot, false);
    must(sm_secret_freeze(slot) == SM_OK && sm_secret_wipe(slot) == SM_OK, "freeze and wipe");
    sm_secret_return(slot);
    return 0;
}
