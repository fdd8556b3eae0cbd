/* slack.c: writes past a secret shorter than its slot, into the slack. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_NOACCESS), 20);
    opened(slot, true)[20] = 1;
    sm_secret_close(slot, true);
    return 0;
}
