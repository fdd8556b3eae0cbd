/* slots.h: the import slots of a loaded object: where it keeps the addresses
 * of the functions that it calls in others.
 *
 * Objects are planned one after the other, then all slots are written at once,
 * or none.  Slots are told by the name of their symbol, never by a count.
 * Writing and verifying want the GIL: two at once would protect a page under
 * each other.
 */
#ifndef SM_SLOTS_H
#define SM_SLOTS_H

#include "objects.h"

enum sm_slots_answer {
    SM_SLOTS_OK = 0,
    SM_SLOTS_NOT_LOADED, /* no such object is loaded */
    SM_SLOTS_STATIC,     /* it sees no such symbol in any object: built in statically, or another build */
    SM_SLOTS_FORMAT,     /* its tables are not understood */
    SM_SLOTS_MISSING,    /* a needed symbol has no slot */
    SM_SLOTS_TAKEN,      /* a slot leads somewhere else already: other code redirected it */
    SM_SLOTS_LIBRARY,    /* the allocator is not the C library's, or that is not known */
    SM_SLOTS_SEALED,     /* the kernel does not let the slots be written: sm_failure_get() */
    SM_SLOTS_FULL        /* more slots than there is room for */
};

/* slots_elf.c: plans the slots of the object that holds `symbol`, as the object
 * loaded from `path` sees it. */
enum sm_slots_answer sm_slots_plan(const char *path, const char *symbol);
/* Whether the object planned last has slots for the entry of that number. */
bool sm_slots_found(size_t entry);

/* slots.c */
enum sm_slots_answer sm_slots_write(void);
void sm_slots_forget_plan(void);
/* The function that the last answer is about; NULL: none. */
const char *sm_slots_name(void);
/* Slots for the entry of that number (entries.h), planned ones included. */
size_t sm_slots_of(size_t entry);
/* Writes again what other code changed; how many slots that were, ever. */
size_t sm_slots_verify(void);
/* Pages of slots that the kernel did not make read-only again. */
size_t sm_slots_left_writable(void);

/* For the planner.  page: the read-only page that holds the slot, or 0. */
bool sm_slots_add(sm_function **address, size_t entry, uintptr_t page);
bool sm_slots_has(sm_function *const *address);
void sm_slots_set_name(const char *name);

#endif
