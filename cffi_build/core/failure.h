/* failure.h: what a status that has a system call behind it is about.
 *
 * Whoever turns a failed call into a status notes the call, once.  What fails
 * later, while things are put back, is noted by nobody. */
#ifndef SM_FAILURE_H
#define SM_FAILURE_H

#include "os.h"

/* The call behind the last status of this thread that has one. */
struct sm_failure {
    const char *call; /* "mlock", "madvise(MADV_DONTDUMP)"; NULL: none */
    int error;        /* its errno */
    size_t wanted;    /* bytes asked for; 0 where it makes no sense */
    size_t limit;     /* SM_LOCK_LIMIT: bytes that may be locked, */
    size_t used;      /* and that are, as far as is known */
    bool of_user;     /* and whether all processes of the user share them */
};
const struct sm_failure *sm_failure_get(void);

/* Notes the platform's last failed call; returns the status. */
enum sm_status sm_fail(enum sm_status status);
/* The same for a call of the C library. */
enum sm_status sm_fail_in(enum sm_status status, const char *call, int error, size_t wanted);
/* The same for a lock, with what limits it. */
enum sm_status sm_fail_at_limit(size_t wanted, size_t limit, size_t used, bool of_user);
/* For an errno of sm_os_protect or of advice: ENOMEM and EAGAIN are want of
 * memory or of mappings, anything else a refusal. */
enum sm_status sm_fail_by_error(int error);

#endif
