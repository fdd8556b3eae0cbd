/* process_flags.c: what the kernel keeps for the process as a whole, and two
 * trials: whether secret memory is to be had, and what a stretch of this
 * process's memory holds now.
 *
 * The second reads by the kernel (process_vm_readv), so that an address whose
 * block was freed, or unmapped, gives its bytes or an error and never a fault.
 */
#include <errno.h>

#include "os.h"

enum sm_status sm_process_set_dumpable(bool dumpable) {
    return sm_os_set_dumpable(dumpable) == 0 ? SM_OK : SM_REFUSED;
}

enum sm_status sm_process_dumpable(int *out) {
    return sm_os_get_dumpable(out) == 0 ? SM_OK : SM_REFUSED;
}

enum sm_status sm_process_set_merging(bool merging) {
    return sm_os_set_merging(merging) == 0 ? SM_OK : SM_REFUSED;
}

enum sm_status sm_process_merging(bool *out) {
    int error = sm_os_get_merging(out);
    if (error == EINVAL) *out = false; /* no such flag, so nothing merges everything */
    return error == 0 || error == EINVAL ? SM_OK : SM_REFUSED;
}

enum sm_status sm_process_peek(uint8_t *out, uintptr_t address, size_t length) {
    return sm_os_read_own_memory(out, address, length) == 0 ? SM_OK : SM_REFUSED;
}

enum sm_status sm_process_try_secret_memory(void) {
    size_t page = sm_os_page_size();
    void *address;
    int file;
    if (sm_os_reserve(&address, page) != 0) return SM_NO_MEMORY;
    enum sm_status status = SM_NO_BACKEND;
    if (sm_os_secret_file(&file, page) == 0) {
        if (sm_os_map_secret(address, page, file, 0) == 0) status = SM_OK;
        if (sm_os_close(file) != 0) status = SM_REFUSED;
    }
    if (sm_os_unmap(address, page) != 0) status = SM_REFUSED;
    return status;
}
