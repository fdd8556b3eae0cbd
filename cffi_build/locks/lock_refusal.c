/* lock_refusal.c: the errno values of the mlock family, judged.
 *
 * ENOMEM has four causes (mlock(2)): the limit, a hole in the range, a mapping
 * that would be split when there are too many, and no memory.  The limit is
 * told by figures: what it is, what is locked, whether it binds at all.  Where
 * what is locked cannot be read, for want of /proc or of a descriptor, the limit
 * is believed to be the cause unless it does not bind: making room is then
 * tried, and is right more often than not.
 */
#include "lock_refusal.h"

#include <errno.h>

#include "failure.h"
#include "mappings.h"
#include "os.h"

/* Notes it and answers SM_LOCK_LIMIT if the limit is the cause; else SM_OK.
 * more: bytes of those wanted that were not locked already. */
static enum sm_status limit_refusal(size_t wanted, size_t more, size_t ours) {
    const struct sm_os_call call = *sm_os_failed_call();
    enum sm_status status = SM_OK;
    size_t limit;
    size_t used = ours;
    bool unlimited = false;
    if (sm_os_lock_limit(&limit) == 0) {
        bool known = sm_os_locked(&used) == 0;
        bool over = used > limit || limit - used < more;
        if (over || !known) (void)sm_os_may_lock_beyond_limit(&unlimited);
        if ((over || !known) && !unlimited) status = SM_LOCK_LIMIT;
    }
    sm_os_note(call.name, call.error, call.length);
    return status == SM_OK ? SM_OK : sm_fail_at_limit(wanted, limit, used, false);
}

enum sm_status sm_lock_refusal(int error, size_t length, size_t ours) {
    if (error == ENOMEM || error == EPERM) {
        if (limit_refusal(length, length, ours) != SM_OK) return SM_LOCK_LIMIT;
    }
    return sm_fail(SM_LOCK_FAILED);
}

/* Kernels that charge secret memory when it is mapped call it locked.  Others
 * charge the user at each page's first use, and refuse by EFAULT. */
enum sm_status sm_secret_memory_refusal(int error, uintptr_t address, size_t length, size_t ours) {
    bool charged = true;
    size_t limit;
    const struct sm_os_call call = *sm_os_failed_call();
    bool known = sm_range_is_locked(&charged, address, address + length) == 0;
    bool of_user = error == EFAULT && known && !charged && sm_os_lock_limit(&limit) == 0;
    sm_os_note(call.name, call.error, call.length);
    return of_user ? sm_fail_at_limit(length, limit, ours, true) : sm_fail_by_error(error == EFAULT ? ENOMEM : error);
}

static bool is_mapped(uintptr_t start, uintptr_t end) {
    size_t page = sm_os_page_size();
    while (start < end && sm_os_is_mapped((void *)start)) start += page;
    return start >= end;
}

enum sm_status sm_lock_range_refusal(int error, uintptr_t start, uintptr_t end, size_t ours) {
    enum { MAPPINGS_MARGIN = 8 }; /* kernel and reader count a moment apart */
    struct sm_range range;
    if (error != ENOMEM) return sm_lock_refusal(error, end - start, ours);
    const struct sm_os_call call = *sm_os_failed_call();
    bool known = sm_range_survey(&range, start, end) == 0;
    bool whole = known ? range.accessible == end - start : is_mapped(start, end);
    bool crowded = known && range.mappings + MAPPINGS_MARGIN >= sm_os_max_mappings();
    sm_os_note(call.name, call.error, call.length);
    if (known || whole) {
        if (limit_refusal(end - start, end - start - (known ? range.locked : 0), ours) != SM_OK) return SM_LOCK_LIMIT;
    }
    if (!whole) return sm_fail(SM_UNMAPPED);
    /* All there: too many pieces, or a page that its file does not reach. */
    if (!known) return sm_fail(SM_LOCK_FAILED);
    return sm_fail(crowded ? SM_MAPPINGS : SM_UNMAPPED);
}
