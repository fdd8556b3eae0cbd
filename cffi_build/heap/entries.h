/* entries.h: what a library calls instead of the C library's allocator, once
 * its import slots are redirected (slots.h).
 *
 * malloc and its kin answer with blocks of the crypto heap, or, where that has
 * no room, with the C library's, and count those.  Never with NULL while the
 * C library has memory: Rust ends the process at the first NULL.  free takes
 * both kinds, and wipes both.
 */
#ifndef SM_ENTRIES_H
#define SM_ENTRIES_H

#include "objects.h"

struct sm_entry {
    const char *name;
    sm_function *function;
    bool gives; /* hands out blocks */
    bool takes; /* takes blocks back: an object that has a giver and not this cannot be redirected */
};

/* In the order in which slots are written: what takes back before what hands out. */
#define SM_ENTRIES 15
extern const struct sm_entry sm_entries[SM_ENTRIES];

const char *sm_entries_name(size_t entry);

struct sm_entries_counts {
    size_t outside; /* blocks that the C library had to give, ever */
};
void sm_entries_count(struct sm_entries_counts *out);

#endif
