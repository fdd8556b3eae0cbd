/* canary.c: writes past a full slot, into its canary; found when the view closes. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_NOACCESS), 32);
    opened(slot, true)[32] = 1;
    sm_secret_close(slot, true);
    return 0;
}
