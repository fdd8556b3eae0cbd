/* patterns.c: Wu and Manber's search for many patterns.
 *
 * It looks at the last two of SM_PATTERNS_HEAD bytes.  Where no pattern's head
 * has these two anywhere, none begins in the next seven places, and memory is
 * mostly made of such places.  Where some head ends with them, the patterns
 * are compared one by one.
 */
#include "patterns.h"

#include <string.h>

#define LAST (SM_PATTERNS_HEAD - 2) /* the pair that is looked at, from where a pattern begins */

static size_t pair(const uint8_t *at) {
    return (size_t)at[0] << 8 | at[1];
}

void sm_patterns_prepare(struct sm_patterns *out, const uint8_t *const *patterns, const size_t *lengths, size_t count) {
    out->patterns = patterns;
    out->lengths = lengths;
    out->count = count;
    memset(out->skip, LAST + 1, sizeof out->skip);
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at <= LAST; at++) {
            uint8_t *skip = &out->skip[pair(patterns[i] + at)];
            if (LAST - at < *skip) *skip = (uint8_t)(LAST - at);
        }
    }
}

/* All patterns that begin here; false: no room for them. */
static bool collect(const struct sm_patterns *search, struct sm_patterns_hit *out, size_t room, size_t *found,
                    const uint8_t *data, size_t at, size_t length) {
    size_t before = *found;
    for (size_t i = 0; i < search->count; i++) {
        if (search->lengths[i] > length - at) continue;
        if (memcmp(data + at, search->patterns[i], search->lengths[i]) != 0) continue;
        if (*found == room) {
            *found = before;
            return false;
        }
        out[(*found)++] = (struct sm_patterns_hit){at, i};
    }
    return true;
}

size_t sm_patterns_find(const struct sm_patterns *search, struct sm_patterns_hit *out, size_t room, size_t *next,
                      const uint8_t *data, size_t start, size_t end, size_t length) {
    size_t found = 0;
    size_t at = start;
    size_t last = length < SM_PATTERNS_HEAD ? 0 : length - SM_PATTERNS_HEAD + 1;
    if (end > last) end = last;
    while (at < end) {
        size_t skip = search->skip[pair(data + at + LAST)];
        if (skip > 0) {
            at += skip;
            continue;
        }
        if (!collect(search, out, room, &found, data, at, length)) {
            *next = at;
            return found;
        }
        at++;
    }
    *next = SIZE_MAX;
    return found;
}
