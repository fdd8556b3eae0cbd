/* slack_large.c: writes before a large secret, into the slack at the start of its run. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_NOACCESS), 5000);
    opened(slot, true)[-1] = 1;
    sm_secret_close(slot, true);
    return 0;
}
