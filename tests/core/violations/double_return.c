/* double_return.c: returns a secret twice. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_NOACCESS), 32);
    sm_secret_return(slot);
    sm_secret_return(slot);
    return 0;
}
