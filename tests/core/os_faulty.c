/* os_faulty.c: the platform, with failures planned; in tests' builds only.
 *
 * The linker's --wrap sends every call of a verb of os.h that the core makes
 * to __wrap_<verb>, and leaves the true one as __real_<verb>.  The wrappers
 * below count the calls, fail those that the plan names, and pass the others
 * on.  faulty_verbs.h lists the verbs; tests/support/core_builds.py writes it
 * from os.h, so that a verb added there is a verb that fails here.  The C
 * library's calloc is one more.
 */
#include "os.h"
#include "os_doors.h"

#include "os_faulty.h"

#include <errno.h>
#include <string.h>

enum {
#define VERB(name, parameters, arguments) VERB_##name,
#include "faulty_verbs.h"
#undef VERB
    VERB_calloc,
    VERBS
};

static struct {
    size_t verb, first, count;
    int error;
    bool after; /* do what was asked, then say that it failed: mlock's partial effect */
} plan = {.verb = VERBS};
static size_t calls[VERBS];
static size_t fired;

static const char *const names[] = {
#define VERB(name, parameters, arguments) #name,
#include "faulty_verbs.h"
#undef VERB
    "calloc",
};

const char *faulty_verb(size_t verb) {
    return verb < VERBS ? names[verb] : NULL;
}

void faulty_plan(size_t verb, size_t first, size_t count, int error, bool after) {
    memset(calls, 0, sizeof calls);
    fired = 0;
    plan.verb = verb;
    plan.first = first;
    plan.count = count;
    plan.error = error;
    plan.after = after;
}

size_t faulty_calls(size_t verb) {
    return verb < VERBS ? calls[verb] : 0;
}

size_t faulty_fired(void) {
    return fired;
}

static bool planned(size_t verb) {
    size_t call = ++calls[verb];
    if (verb != plan.verb || call < plan.first || call - plan.first >= plan.count) return false;
    fired++;
    return true;
}

#define VERB(name, parameters, arguments)                                  \
    int __real_sm_os_##name parameters;                                    \
    int __wrap_sm_os_##name parameters;                                    \
    int __wrap_sm_os_##name parameters {                                   \
        bool fails = planned(VERB_##name);                                 \
        int result = fails && !plan.after ? 0 : __real_sm_os_##name arguments; \
        return fails ? sm_os_note("faulty " #name, plan.error, 4096) : result; \
    }
#include "faulty_verbs.h"

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size) {
    if (!planned(VERB_calloc)) return __real_calloc(count, size);
    errno = plan.error;
    return NULL;
}
