/* closed.c: reads a secret of a closed arena after its view was closed. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_NOACCESS), 32);
    volatile uint8_t *data = opened(slot, false);
    must(data[0] == 0, "the view reads");
    sm_secret_close(slot, false);
    return data[0];
}
