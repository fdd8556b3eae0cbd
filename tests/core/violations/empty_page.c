/* empty_page.c: no violation: a page without a secret is accessible and zero all over, canaries included. Ends with 0. */
#include "violation.h"

static bool is_zero(volatile uint8_t *page) {
    for (size_t i = 0; i < 4096; i++) {
        if (page[i] != 0) return false;
    }
    return true;
}

int main(void) {
    sm_arena *arena = arena_of(SM_AT_REST_NOACCESS);
    sm_slot *first = taken(arena, 32);
    sm_slot *second = taken(arena, 20);
    volatile uint8_t *page = opened(first, true);
    opened(second, true);
    must(page[32] != 0 || page[33] != 0 || page[34] != 0, "the control: a canary is there while its secret is");
    sm_secret_close(first, true);
    sm_secret_close(second, true);
    sm_secret_return(first);
    must(opened(second, false)[0] == 0, "the page is still shut and opened");
    sm_secret_close(second, false);
    must(sm_secret_wipe(second) == SM_OK, "wipe");
    return is_zero(page) ? 0 : 1;
}
