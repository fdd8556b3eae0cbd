/* environment.c: a secret in the environment, and its end there.
 *
 * The kernel puts the environment on the stack of a new program, shows it as
 * /proc/PID/environ for as long as the program runs, and never looks at it
 * again.  The C library points into it, or has copies of what was set later.
 */
#include <stdlib.h>
#include <string.h>

#include "doors.h"
#include "os_doors.h"
#include "wipe.h"

enum sm_door sm_environment_read(struct sm_growing *growing, const char *name) {
    const char *value = getenv(name);
    if (value == NULL) return SM_DOOR_ABSENT;
    size_t length = strlen(value);
    if (length == 0) return SM_DOOR_EMPTY;
    if (length > growing->limit) return SM_DOOR_LONG;
    enum sm_door door = sm_growing_open(growing, length);
    if (door == SM_DOOR_OK) door = sm_growing_append(growing, (const uint8_t *)value, length);
    sm_growing_close(growing);
    return door;
}

static bool is_mapped(uintptr_t start, uintptr_t end) {
    size_t page = sm_os_page_size();
    for (uintptr_t at = start / page * page; at < end; at += page) {
        if (!sm_os_is_mapped((void *)at)) return false;
    }
    return true;
}

/* The entries of the kernel's block, each ended by a zero. */
static size_t scrub_block(const char *name, size_t name_length) {
    uintptr_t start, end;
    size_t count = 0;
    if (sm_os_environment(&start, &end) != 0 || start >= end || !is_mapped(start, end)) return 0;
    for (char *entry = (char *)start; (uintptr_t)entry < end;) {
        size_t length = strnlen(entry, end - (uintptr_t)entry);
        if (length > name_length && entry[name_length] == '=' && memcmp(entry, name, name_length) == 0) {
            sm_wipe(entry + name_length + 1, length - name_length - 1);
            count++;
        }
        entry += length + 1;
    }
    return count;
}

size_t sm_environment_scrub(const char *name) {
    size_t count = scrub_block(name, strlen(name));
    char *value;
    while ((value = getenv(name)) != NULL) {
        if (*value != '\0') count++;
        sm_wipe(value, strlen(value));
        if (unsetenv(name) != 0) break;
    }
    return count;
}
