/* memory_file.c: a secret as a file that is only in memory, for whoever takes a
 * path or a descriptor.
 *
 * Our mapping is made before the file is sealed, so that we can still wipe it
 * while nobody else can write.  It keeps the file's pages locked, out of core
 * dumps, and out of forked children, where wiping would zero the parent's file.
 */
#include <string.h>

#include "doors.h"
#include "failure.h"
#include "gate.h"
#include "lock_refusal.h"
#include "os_doors.h"
#include "wipe.h"

static size_t whole_pages(size_t length) {
    size_t page = sm_os_page_size();
    return (length + page - 1) / page * page;
}

static enum sm_door protect(struct sm_memory_file *made) {
    size_t length = whole_pages(made->length);
    if (sm_os_exclude_from_dumps(made->map, length) != 0 || sm_os_exclude_from_fork(made->map, length) != 0) {
        made->status = sm_fail(SM_REFUSED);
        return SM_DOOR_CORE;
    }
    int error = sm_os_lock(made->map, length);
    if (error == 0) return SM_DOOR_OK;
    made->status = sm_lock_refusal(error, length, 0);
    return SM_DOOR_CORE;
}

enum sm_door sm_memory_file_make(struct sm_memory_file *made, const uint8_t *data, size_t length) {
    *made = (struct sm_memory_file){.file = -1, .length = length, .generation = sm_generation()};
    if (sm_os_memory_file(&made->file, length) != 0) return SM_DOOR_SYSTEM;
    void *map = NULL;
    enum sm_door door = sm_os_map_file(&map, made->file, whole_pages(length), true) == 0 ? SM_DOOR_OK : SM_DOOR_SYSTEM;
    made->map = map;
    if (door == SM_DOOR_OK) door = protect(made);
    if (door == SM_DOOR_OK) {
        memcpy(made->map, data, length);
        sm_clear_registers();
        if (sm_os_seal(made->file) != 0) door = SM_DOOR_SYSTEM;
    }
    if (door != SM_DOOR_OK) sm_memory_file_end(made);
    return door;
}

void sm_memory_file_end(struct sm_memory_file *made) {
    if (made->map != NULL && made->generation == sm_generation()) {
        sm_wipe(made->map, made->length);
        (void)sm_os_unmap(made->map, whole_pages(made->length));
    }
    made->map = NULL;
    if (made->file >= 0) (void)sm_os_close(made->file);
    made->file = -1;
}

enum sm_door sm_memory_file_take(struct sm_growing *growing, int file) {
    struct sm_file facts;
    bool is_sealed = false;
    void *map = NULL;
    if (sm_os_file_look(&facts, file) != 0 || sm_os_sealed(&is_sealed, file) != 0) return SM_DOOR_NOT_HANDED;
    if (!facts.is_regular || !is_sealed || facts.size == 0) return SM_DOOR_NOT_HANDED; /* unsealed, it could shrink while it is read */
    if (facts.size > growing->limit) return SM_DOOR_LONG;
    size_t length = (size_t)facts.size;
    if (sm_os_map_file(&map, file, whole_pages(length), false) != 0) return SM_DOOR_SYSTEM;
    enum sm_door door = sm_growing_open(growing, length);
    if (door == SM_DOOR_OK) door = sm_growing_append(growing, map, length);
    sm_clear_registers();
    sm_growing_close(growing);
    (void)sm_os_unmap(map, whole_pages(length));
    return door;
}
