/* growing.c: bytes of a length that is not known before they come.
 *
 * The slot doubles.  Bytes move from locked memory to locked memory, and the
 * slot that they leave is wiped and given back in the same call.
 */
#include <string.h>

#include "doors.h"
#include "wipe.h"

#define FIRST 512

static enum sm_door failed(struct sm_growing *growing, enum sm_status status) {
    growing->status = status;
    return SM_DOOR_CORE;
}

static void give_back(sm_slot *slot) {
    (void)sm_secret_wipe(slot); /* refused: it is pending, and sm_secret_return sees to it */
    sm_secret_return(slot);
}

void sm_growing_close(struct sm_growing *growing) {
    if (growing->data == NULL) return;
    growing->data = NULL;
    sm_secret_close(growing->slot, true);
}

void sm_growing_drop(struct sm_growing *growing) {
    sm_growing_close(growing);
    if (growing->slot != NULL) give_back(growing->slot);
    growing->slot = NULL;
    growing->length = growing->capacity = 0;
}

/* A window on the slot, if there is none. */
static enum sm_door open_slot(struct sm_growing *growing) {
    uint8_t *data = growing->data;
    enum sm_status status = data != NULL ? SM_OK : sm_secret_open(growing->slot, &data, true);
    if (status != SM_OK) return failed(growing, status);
    growing->data = data;
    return SM_DOOR_OK;
}

/* Exchanges the slot for one of `capacity` bytes, the first `length` of which are
 * those of the old one; the window is open on it. */
static enum sm_door exchange(struct sm_growing *growing, size_t capacity) {
    sm_slot *larger;
    uint8_t *to;
    enum sm_door door = growing->length > 0 ? open_slot(growing) : SM_DOOR_OK;
    if (door != SM_DOOR_OK) return door;
    enum sm_status status = sm_secret_take_open(&larger, &to, growing->arena, capacity);
    if (status != SM_OK) return failed(growing, status);
    if (growing->length > 0) memcpy(to, growing->data, growing->length);
    sm_clear_registers();
    sm_growing_close(growing);
    if (growing->slot != NULL) give_back(growing->slot);
    growing->slot = larger;
    growing->data = to;
    growing->capacity = capacity;
    return SM_DOOR_OK;
}

enum sm_door sm_growing_open(struct sm_growing *growing, size_t expected) {
    if (growing->length == growing->capacity) {
        if (growing->length >= growing->limit) return SM_DOOR_LONG;
        size_t capacity = growing->capacity > 0 ? 2 * growing->capacity : expected > 0 ? expected : FIRST;
        if (capacity > growing->limit) capacity = growing->limit;
        return exchange(growing, capacity);
    }
    return open_slot(growing);
}

enum sm_door sm_growing_append(struct sm_growing *growing, const uint8_t *data, size_t length) {
    while (length > 0) {
        enum sm_door door = sm_growing_open(growing, 0);
        if (door != SM_DOOR_OK) return door;
        size_t room = growing->capacity - growing->length;
        size_t part = length < room ? length : room;
        memcpy(growing->data + growing->length, data, part);
        growing->length += part, data += part, length -= part;
    }
    return SM_DOOR_OK;
}

enum sm_door sm_growing_move(struct sm_growing *growing, const struct sm_growing *from) {
    uint8_t *data;
    enum sm_status status = sm_secret_open(from->slot, &data, false);
    if (status != SM_OK) return failed(growing, status);
    enum sm_door door = sm_growing_append(growing, data, from->length);
    sm_growing_close(growing);
    sm_secret_close(from->slot, false);
    return door;
}

enum sm_door sm_growing_truncate(struct sm_growing *growing, size_t length) {
    if (length >= growing->length) return SM_DOOR_OK;
    enum sm_door door = open_slot(growing);
    if (door != SM_DOOR_OK) return door;
    sm_wipe(growing->data + length, growing->length - length);
    growing->length = length;
    return SM_DOOR_OK;
}

enum sm_door sm_growing_finish(struct sm_growing *growing, sm_slot **out) {
    if (growing->length == 0) return SM_DOOR_EMPTY;
    if (growing->length < growing->capacity) {
        enum sm_door door = exchange(growing, growing->length);
        if (door != SM_DOOR_OK) return door;
    }
    sm_growing_close(growing);
    *out = growing->slot;
    growing->slot = NULL;
    growing->length = growing->capacity = 0;
    return SM_DOOR_OK;
}
