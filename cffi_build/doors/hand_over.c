/* hand_over.c: a secret to another process, through a Unix socket.
 *
 * What passes is the descriptor of a sealed file in memory.  The sender keeps it
 * locked until the receiver has answered that it has a copy, and wipes it then.
 */
#include <errno.h>

#include "doors.h"
#include "os_doors.h"

static enum sm_door explain(int error) {
    if (error == EINTR) return SM_DOOR_INTERRUPTED;
    if (error == ETIMEDOUT) return SM_DOOR_TIMEOUT;
    if (error == ENOTSOCK || error == EINVAL || error == EOPNOTSUPP) return SM_DOOR_NOT_UNIX;
    return SM_DOOR_SYSTEM;
}

enum sm_door sm_hand_over(struct sm_hand_over *state) {
    uint8_t answer = 0;
    size_t got = 0;
    int error = 0;
    if (!state->is_sent) {
        error = sm_os_wait(state->socket, true, state->milliseconds);
        if (error == 0) error = sm_os_send_file(state->socket, state->file.file);
        if (error == EAGAIN) return SM_DOOR_INTERRUPTED;
        if (error != 0) return explain(error);
        state->is_sent = true;
    }
    error = sm_os_wait(state->socket, false, state->milliseconds);
    if (error == 0) error = sm_os_read(&got, state->socket, &answer, 1);
    if (error == EAGAIN) return SM_DOOR_INTERRUPTED;
    if (error != 0) return explain(error);
    return got == 1 && answer == 'A' ? SM_DOOR_OK : SM_DOOR_ENDED;
}

enum sm_door sm_take_over(struct sm_take_over *state) {
    static const uint8_t answer = 'A';
    size_t done = 0;
    if (!state->is_taken) {
        int file = -1, error = sm_os_wait(state->socket, false, state->milliseconds);
        if (error == 0) error = sm_os_receive_file(&file, state->socket);
        if (error == EAGAIN) return SM_DOOR_INTERRUPTED;
        if (error != 0) return explain(error);
        if (file < 0) return SM_DOOR_NOT_HANDED;
        enum sm_door door = sm_memory_file_take(&state->bytes, file);
        (void)sm_os_close(file);
        if (door != SM_DOOR_OK) return door;
        state->is_taken = true;
    }
    return sm_output_write(&done, state->socket, &answer, 1);
}
