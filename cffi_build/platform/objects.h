/* objects.h: what the crypto heap asks about the objects that are loaded into
 * this process; the rest of the platform is in os.h.
 */
#ifndef SM_OBJECTS_H
#define SM_OBJECTS_H

#include "words.h"

struct sm_object {
    uintptr_t base;         /* what its addresses are counted from */
    uintptr_t start;        /* of its segments */
    uintptr_t end;
    uintptr_t relro_start;  /* pages made read-only after loading; none: both 0 */
    uintptr_t relro_end;
    const void *dynamic;    /* its dynamic section */
    const void *headers;    /* its program headers */
    size_t headers_count;
};

/* The object that holds `symbol` as the object loaded from `path` sees it; it
 * stays loaded from now on.  ENOENT: none is loaded from there.  ESRCH: it sees
 * no such symbol. */
int sm_os_object_find(struct sm_object *out, const char *path, const char *symbol);
/* The object that an address lies in; false: in none. */
bool sm_os_object_of(struct sm_object *out, uintptr_t address);
/* Whether a segment that may be written holds that address. */
bool sm_os_object_may_write(const struct sm_object *object, const void *address);

/* Any function: C does not let its address be a void pointer. */
typedef void sm_function(void);
/* A function as the whole program sees it; NULL: there is none. */
sm_function *sm_os_symbol(const char *name);
/* The same of the C library, whoever else has one of that name; NULL: none, or not glibc. */
sm_function *sm_os_c_library_symbol(const char *name);
/* glibc or musl. */
bool sm_os_c_library_is_known(void);

/* Calls end(argument) when this thread ends; for one function and one argument a thread. */
int sm_os_at_thread_end(void (*end)(void *argument), void *argument);

#endif
