/* process_flags.c: what the kernel keeps for the process as a whole, and two
 * trials: whether secret memory is to be had, and what a stretch of this
 * process's memory holds now.
 *
 * The second reads by the kernel (process_vm_readv), so that an address whose
 * block was freed, or unmapped, gives its bytes or an error and never a fault.
 */
#include "process_flags.h"

#include <errno.h>

#include "failure.h"
#include "gate.h"
#include "mappings.h"
#include "os.h"
#include "pages.h"

enum sm_status sm_random(uint8_t *out, size_t length) {
    return sm_os_random(out, length) == 0 ? SM_OK : sm_fail(SM_NO_RANDOM);
}

uint64_t sm_boottime(void) {
    return sm_os_boottime();
}

bool sm_lock_is_unlimited(void) {
    bool unlimited;
    return sm_os_may_lock_beyond_limit(&unlimited) == 0 && unlimited;
}

bool sm_locked_bytes(size_t *out) {
    if (sm_os_locked(out) == 0) return true;
    sm_enter();
    *out = sm_pages_locked();
    sm_leave();
    return false;
}

enum sm_status sm_process_set_dumpable(bool dumpable) {
    return sm_os_set_dumpable(dumpable) == 0 ? SM_OK : sm_fail(SM_REFUSED);
}

enum sm_status sm_process_dumpable(int *out) {
    return sm_os_get_dumpable(out) == 0 ? SM_OK : sm_fail(SM_REFUSED);
}

enum sm_status sm_process_set_merging(bool merging) {
    return sm_os_set_merging(merging) == 0 ? SM_OK : sm_fail(SM_REFUSED);
}

enum sm_status sm_process_merging(bool *out) {
    int error = sm_os_get_merging(out);
    if (error == EINVAL) *out = false; /* no such flag, so nothing merges everything */
    return error == 0 || error == EINVAL ? SM_OK : sm_fail(SM_REFUSED);
}

enum sm_status sm_process_peek(uint8_t *out, uintptr_t address, size_t length) {
    return sm_os_read_own_memory(out, address, length) == 0 ? SM_OK : sm_fail(SM_REFUSED);
}

static enum sm_status try_to_map(void *address, size_t length, bool *of_user) {
    int file;
    if (sm_os_secret_file(&file, length) != 0) return sm_fail(SM_NO_BACKEND);
    enum sm_status status = sm_os_map_secret(address, length, file, 0) == 0 ? SM_OK : sm_fail(SM_NO_BACKEND);
    if (sm_os_close(file) != 0 && status == SM_OK) status = sm_fail(SM_REFUSED);
    bool charged = true;
    if (status == SM_OK && sm_range_is_locked(&charged, (uintptr_t)address, (uintptr_t)address + length) != 0) charged = true;
    *of_user = !charged;
    return status;
}

enum sm_status sm_process_try_secret_memory(bool *of_user) {
    size_t page = sm_os_page_size();
    void *address = NULL;
    *of_user = false;
    if (sm_os_reserve(&address, page) != 0) return sm_fail(SM_NO_MEMORY);
    enum sm_status status = try_to_map(address, page, of_user);
    if (sm_os_unmap(address, page) != 0 && status == SM_OK) status = sm_fail(SM_REFUSED);
    return status;
}

enum sm_stack_bounds sm_process_stack_bounds(void) {
    return sm_os_stack_bounds();
}
