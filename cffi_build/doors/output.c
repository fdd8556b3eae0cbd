/* output.c: writing straight from a slot.
 *
 * The kernel copies from the slot's pages; what it keeps of it (a pipe's or a
 * socket's buffer, a file's pages) is outside of this process.
 */
#include <errno.h>

#include "doors.h"
#include "os_doors.h"

enum sm_door sm_output_write(size_t *done, int file, const uint8_t *data, size_t length) {
    while (*done < length) {
        size_t count = 0;
        int error = sm_os_write(&count, file, data + *done, length - *done);
        if (error == EAGAIN) error = sm_os_wait(file, true, -1);
        if (error == EINTR) return SM_DOOR_INTERRUPTED;
        if (error != 0) return SM_DOOR_SYSTEM;
        *done += count;
        if (*done < length && count > 0) return SM_DOOR_INTERRUPTED; /* a signal cuts a write short, and is not told of */
    }
    return SM_DOOR_OK;
}
