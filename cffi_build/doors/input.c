/* input.c: reading straight into a slot.
 *
 * The slot's page is open while bytes are copied by the kernel, and not while
 * they are waited for.
 */
#include <errno.h>

#include "doors.h"
#include "os_doors.h"

enum sm_door sm_input_start(struct sm_input *input) {
    struct sm_file facts;
    if (sm_os_file_look(&facts, input->file) != 0) return SM_DOOR_SYSTEM;
    if (!facts.is_readable) { /* a wait for the writing end of a pipe would not end */
        sm_os_note("read", EBADF, 0);
        return SM_DOOR_SYSTEM;
    }
    /* poll would wait for ever for the first writer of a FIFO; a read says at once that there is none */
    input->is_waitable = !facts.is_regular && !facts.is_folder && !input->is_opened;
    input->is_pipe = facts.is_pipe;
    if (!facts.is_regular || facts.size == 0) return SM_DOOR_OK; /* 0: a file of /proc, whose length nobody knows */
    if (facts.size > input->bytes.limit) return SM_DOOR_LONG;
    input->expected = (size_t)facts.size;
    return SM_DOOR_OK;
}

static enum sm_door explain(int error) {
    if (error == EINTR) return SM_DOOR_INTERRUPTED;
    return error == ETIMEDOUT ? SM_DOOR_TIMEOUT : SM_DOOR_SYSTEM;
}

/* Reads up to length bytes, *got of them; 0 at the end. Nothing else is open while it waits. */
static enum sm_door read_some(struct sm_input *input, size_t *got, size_t length) {
    struct sm_growing *bytes = &input->bytes;
    int error = input->is_waitable ? sm_os_wait(input->file, false, input->milliseconds) : 0;
    if (error != 0) return explain(error);
    enum sm_door door = sm_growing_open(bytes, input->expected);
    if (door != SM_DOOR_OK) return door;
    size_t room = bytes->capacity - bytes->length;
    error = sm_os_read(got, input->file, bytes->data + bytes->length, length < room ? length : room);
    sm_growing_close(bytes);
    if (error == EAGAIN) { /* nothing is there yet, or somebody else took it */
        input->is_waitable = true;
        *got = 0;
        return SM_DOOR_INTERRUPTED;
    }
    if (error != 0) return explain(error);
    bytes->length += *got;
    return SM_DOOR_OK;
}

/* The slot is full: whether that was the end.  A byte more is read into a slot of its own. */
static enum sm_door read_past(struct sm_input *input, size_t *got) {
    struct sm_input more = *input;
    more.bytes = (struct sm_growing){.arena = input->bytes.arena, .limit = 1};
    enum sm_door door = read_some(&more, got, 1);
    input->is_waitable = more.is_waitable;
    if (door == SM_DOOR_OK && *got == 1) door = sm_growing_move(&input->bytes, &more.bytes);
    else if (door == SM_DOOR_CORE) input->bytes.status = more.bytes.status;
    sm_growing_drop(&more.bytes);
    return door;
}

enum sm_door sm_input_read_all(struct sm_input *input) {
    struct sm_growing *bytes = &input->bytes;
    for (;;) {
        size_t got = 0;
        bool full = bytes->slot != NULL && bytes->length == bytes->capacity;
        enum sm_door door = full ? read_past(input, &got) : read_some(input, &got, SIZE_MAX);
        if (door != SM_DOOR_OK) return door;
        if (got > 0) continue;
        if (bytes->length > 0) return SM_DOOR_OK;
        return input->is_pipe ? SM_DOOR_NO_WRITER : SM_DOOR_EMPTY;
    }
}

enum sm_door sm_input_read_exactly(struct sm_input *input, size_t wanted) {
    input->expected = wanted;
    while (input->bytes.length < wanted) {
        size_t got = 0;
        enum sm_door door = read_some(input, &got, wanted - input->bytes.length);
        if (door != SM_DOOR_OK) return door;
        if (got == 0) return SM_DOOR_ENDED;
    }
    return SM_DOOR_OK;
}
