/* return_viewed.c: returns a secret under a view. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_NOACCESS), 32);
    opened(slot, false);
    sm_secret_return(slot);
    return 0;
}
