/* after_purge.c: opens a secret after the purge: SM_WIPED is the answer, no zeroes. Ends with 3. */
#include "violation.h"

int main(void) {
    sm_slot *slot = taken(arena_of(SM_AT_REST_NOACCESS), 32);
    must(sm_secret_purge() == 0, "purge");
    uint8_t *data = NULL;
    enum sm_status status = sm_secret_open(slot, &data, false);
    must(data == NULL, "no data");
    if (status == SM_WIPED) return 3;
    return 0;
}
