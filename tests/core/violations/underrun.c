/* underrun.c: reads before the first secret of a run: the guard page is there. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_READWRITE), 32);
    return opened(slot, true)[-1];
}
