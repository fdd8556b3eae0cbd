/* scratch.c: where intermediate values lie.
 *
 * The arena is made at the first use, and again in a forked child, which has
 * not the parent's.
 */
#include "scratch.h"

static sm_arena *arena;

static enum sm_status renew(void) {
    static const struct sm_policy policy = {SM_AT_REST_READWRITE, SM_LOCK_REQUIRE, SM_BACKEND_MLOCK, 0, SM_FORK_EXCLUDE};
    sm_arena *fresh;
    enum sm_status status = sm_arena_create(&fresh, &policy);
    if (status != SM_OK) return status;
    if (arena != NULL) sm_arena_release(arena);
    arena = fresh;
    return SM_OK;
}

static enum sm_status take_from(sm_slot **slot, uint8_t **data, size_t length) {
    if (arena == NULL) return SM_FORKED;
    return data == NULL ? sm_secret_take(slot, arena, length) : sm_secret_take_open(slot, data, arena, length);
}

/* With data: open for writing. */
static enum sm_status take(sm_slot **slot, uint8_t **data, size_t length) {
    enum sm_status status = take_from(slot, data, length);
    if (status != SM_FORKED && status != SM_CLOSED) return status;
    status = renew();
    return status == SM_OK ? take_from(slot, data, length) : status;
}

sm_slot *scratch_take(uint8_t **data, size_t length) {
    sm_slot *slot = NULL;
    enum sm_status status = take(&slot, data, length);
    return status == SM_OK ? slot : (sm_slot *)raise_status(status);
}

void scratch_return(sm_slot *slot) {
    sm_secret_close(slot, true);
    sm_secret_return(slot);
}

Secret *scratch_new(Py_ssize_t length) {
    if (length <= 0) return (Secret *)raise_status(SM_BAD_SIZE);
    Secret *self = PyObject_New(Secret, Secret_Type);
    if (self == NULL) return NULL;
    self->slot = NULL;
    self->length = length;
    self->weak_references = NULL;
    self->kept = NULL;
    enum sm_status status = take(&self->slot, NULL, (size_t)length);
    if (status == SM_OK) return self;
    Py_DECREF(self);
    return (Secret *)raise_status(status);
}
