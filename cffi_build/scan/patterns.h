/* patterns.h: many byte patterns at once, for the scanner of securemem.testing.
 *
 * Every pattern has SM_PATTERNS_HEAD bytes or more.  Found is every place at
 * which a pattern begins, overlapping ones too, in order.
 */
#ifndef SM_PATTERNS_H
#define SM_PATTERNS_H

#include "words.h"

#define SM_PATTERNS_HEAD 8

struct sm_patterns {
    uint8_t skip[65536]; /* by the pair of bytes at a head's end: in how many places from there none begins */
    const uint8_t *const *patterns;
    const size_t *lengths;
    size_t count;
};

struct sm_patterns_hit {
    size_t at;
    size_t pattern; /* its index */
};

/* What is pointed at must stay. */
void sm_patterns_prepare(struct sm_patterns *out, const uint8_t *const *patterns, const size_t *lengths, size_t count);
/* Patterns that begin from start to before end and lie within length; how many
 * were found.  *next: from where to go on where room was short, else SIZE_MAX. */
size_t sm_patterns_find(const struct sm_patterns *search, struct sm_patterns_hit *out, size_t room, size_t *next,
                      const uint8_t *data, size_t start, size_t end, size_t length);

#endif
