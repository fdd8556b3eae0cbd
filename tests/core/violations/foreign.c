/* foreign.c: returns a pointer that the core never gave. */
#include "violation.h"

int main(void) {
    taken(arena_of(SM_AT_REST_NOACCESS), 32);
    static uint64_t foreign[64];
    sm_secret_return((sm_slot *)foreign);
    return 0;
}
