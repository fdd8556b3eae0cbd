/* compare.c: equality of secrets, in one step under the mutex.
 *
 * Opening and closing views one by one would take the mutex four times, which
 * costs more than comparing a key does.
 */
#include "compare.h"

#include "arena.h"
#include "gate.h"
#include "secret.h"
#include "wipe.h"

/* Pages that are readable already need no window: who made them so has to wait
 * for the mutex to close them. */
static enum sm_status open_to_read(struct sm_slot *slot, bool *opened) {
    *opened = false;
    if (slot->state != SM_SLOT_LIVE) return SM_WIPED;
    if (sm_slot_window(slot)->access == SM_ACCESS_NONE) {
        enum sm_status status = sm_window_open(sm_slot_window(slot), false);
        if (status != SM_OK) return status;
        *opened = true;
    }
    if (!slot->dirty) sm_slot_check_zero(slot);
    return SM_OK;
}

static void close_if(bool opened, struct sm_slot *slot) {
    if (opened) sm_window_close(sm_slot_window(slot), false);
}

enum sm_status sm_secret_equal(sm_slot *slot, bool *equal, const uint8_t *other, size_t length) {
    enum sm_status status = sm_secret_enter(slot);
    if (status != SM_OK) return status;
    bool opened;
    status = open_to_read(slot, &opened);
    if (status == SM_OK) *equal = slot->length == length && sm_equal(slot->data, other, length);
    close_if(opened, slot);
    sm_leave();
    return status;
}

enum sm_status sm_secret_equal_secret(sm_slot *slot, bool *equal, sm_slot *other) {
    enum sm_status status = sm_secret_enter(slot);
    if (status != SM_OK) return status;
    sm_slot_check(other);
    bool opened = false;
    bool other_opened = false;
    status = other->slab->arena->generation == sm_generation() ? open_to_read(slot, &opened) : SM_FORKED;
    if (status == SM_OK) status = open_to_read(other, &other_opened);
    if (status == SM_OK) *equal = slot->length == other->length && sm_equal(slot->data, other->data, slot->length);
    close_if(other_opened, other);
    close_if(opened, slot);
    sm_leave();
    return status;
}
