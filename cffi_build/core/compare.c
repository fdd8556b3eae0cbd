/* compare.c: equality of secrets, in one step under the mutex.
 *
 * Opening and closing views one by one would take the mutex four times, which
 * costs more than comparing a key does.
 */
#include "arena.h"
#include "process.h"
#include "secret.h"
#include "wipe.h"

static enum sm_status open_to_read(struct sm_slot *slot) {
    if (slot->state != SM_SLOT_LIVE) return SM_WIPED;
    return sm_window_open(sm_slot_window(slot), false);
}

enum sm_status sm_secret_equal(sm_slot *slot, bool *equal, const uint8_t *other, size_t length) {
    enum sm_status status = sm_secret_enter(slot);
    if (status != SM_OK) return status;
    status = open_to_read(slot);
    if (status == SM_OK) {
        *equal = slot->length == length && sm_equal(slot->data, other, length);
        sm_window_close(sm_slot_window(slot), false);
    }
    sm_leave();
    return status;
}

enum sm_status sm_secret_equal_secret(sm_slot *slot, bool *equal, sm_slot *other) {
    enum sm_status status = sm_secret_enter(slot);
    if (status != SM_OK) return status;
    sm_slot_check(other);
    status = other->slab->arena->generation == sm_generation() ? open_to_read(slot) : SM_FORKED;
    if (status == SM_OK) {
        status = open_to_read(other);
        if (status == SM_OK) {
            *equal = slot->length == other->length && sm_equal(slot->data, other->data, slot->length);
            sm_window_close(sm_slot_window(other), false);
        }
        sm_window_close(sm_slot_window(slot), false);
    }
    sm_leave();
    return status;
}
