/* shut.c: reads a secret of a no-access arena after the write that it was made with. */
#include "violation.h"

int main(void) {
    uint8_t *data;
    sm_slot *slot;
    must(sm_secret_take_open(&slot, &data, arena_of(SM_AT_REST_NOACCESS), 32) == SM_OK, "take");
    data[0] = 0;
    sm_secret_close(slot, true);
    return ((volatile uint8_t *)data)[0];
}
