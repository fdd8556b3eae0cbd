/* free_large.c: writes to a large run that is kept for later; found when it is handed out. */
#include "violation.h"

int main(void) {
    sm_arena *arena = arena_of(SM_AT_REST_NOACCESS);
    uint8_t *data;
    sm_slot *slot;
    must(sm_secret_take_open(&slot, &data, arena, 70000) == SM_OK, "take");
    sm_secret_close(slot, true);
    sm_secret_return(slot);
    ((volatile uint8_t *)data)[69999] = 1;
    sm_secret_take_open(&slot, &data, arena, 70000);
    return 0;
}
