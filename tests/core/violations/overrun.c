/* overrun.c: reads past the end of a large secret: the guard page is there. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_READWRITE), 8192);
    return opened(slot, true)[8192];
}
