/* wrong_close.c: closes for writing what was opened to read. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_NOACCESS), 32);
    opened(slot, false);
    sm_secret_close(slot, true);
    return 0;
}
