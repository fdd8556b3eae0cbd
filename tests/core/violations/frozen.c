/* frozen.c: writes to a frozen secret of an open arena through a read-only view. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_READWRITE), 32);
    must(sm_secret_freeze(slot) == SM_OK, "freeze");
    opened(slot, false)[0] = 1;
    return 0;
}
