/* mappings.h: which memory is locked, by the kernel's word. */
#ifndef SM_MAPPINGS_H
#define SM_MAPPINGS_H

#include "os.h"

/* The mappings that a search for lost locks needs: locked ones, those that
 * never are, and those with something in swap. */
struct sm_mappings {
    struct sm_mapping *list; /* in the order of addresses */
    size_t count;
    size_t room;
    bool full; /* no memory for more */
};

int sm_mappings_read(struct sm_mappings *out); /* 0 or an errno value; then nothing is to be freed */
void sm_mappings_free(struct sm_mappings *mappings);

/* Whether locked mappings cover the whole range; those never locked count as such. */
bool sm_mappings_hold(const struct sm_mappings *mappings, uintptr_t start, uintptr_t end);
/* The same, and all of them lies in RAM: what is locked on fault may not. */
bool sm_mappings_hold_resident(const struct sm_mappings *mappings, uintptr_t start, uintptr_t end);

/* Whether one range is locked, asked of the kernel; never locked counts as unlocked. */
int sm_range_is_locked(bool *out, uintptr_t start, uintptr_t end);

/* What of a range is there; 0 or an errno value. */
struct sm_range {
    size_t locked;     /* bytes of it that are locked */
    size_t accessible; /* bytes of it that can be read or written */
    size_t mappings;   /* of the whole process */
};
int sm_range_survey(struct sm_range *out, uintptr_t start, uintptr_t end);

/* Bytes of all mappings; 0 if unknown. */
size_t sm_address_space(void);

#endif
