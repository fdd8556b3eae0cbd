/* double_close.c: closes a view twice. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_NOACCESS), 32);
    opened(slot, true);
    sm_secret_close(slot, true);
    sm_secret_close(slot, true);
    return 0;
}
