/* failure.c: one note per thread. */
#include "failure.h"

#include <errno.h>

static _Thread_local struct sm_failure noted;

const struct sm_failure *sm_failure_get(void) {
    return &noted;
}

enum sm_status sm_fail_in(enum sm_status status, const char *call, int error, size_t wanted) {
    noted = (struct sm_failure){.call = call, .error = error, .wanted = wanted};
    return status;
}

enum sm_status sm_fail(enum sm_status status) {
    const struct sm_os_call *call = sm_os_failed_call();
    return sm_fail_in(status, call->name, call->error, call->length);
}

enum sm_status sm_fail_at_limit(size_t wanted, size_t limit, size_t used, bool of_user) {
    sm_fail(SM_LOCK_LIMIT);
    noted.wanted = wanted;
    noted.limit = limit;
    noted.used = used;
    noted.of_user = of_user;
    return SM_LOCK_LIMIT;
}

enum sm_status sm_fail_by_error(int error) {
    return sm_fail(error == ENOMEM || error == EAGAIN ? SM_NO_MEMORY : SM_REFUSED);
}
