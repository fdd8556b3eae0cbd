/* wipe.c: zeroing that the compiler must keep, constant-time comparison, and
 * the clearing of what a call leaves in registers and on the dead stack.
 *
 * An empty asm statement that takes the address and clobbers memory makes the
 * compiler believe that the zeroes are read; the same trick on the running
 * difference keeps comparison loops from leaving early.
 */
#include "wipe.h"

#include <string.h>

#include "os.h"
#include "registers.h"

#define KEEP(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")
#define OPAQUE(value) __asm__ volatile("" : "+r"(value))

/* Left alone at the far end of the stack: a red zone for the scrub itself. */
#define STACK_MARGIN 8192
/* Cleared a piece at a time, so that no frame skips a guard page. */
#define SCRUB_PIECE 4096

void sm_wipe(void *buffer, size_t length) {
    memset(buffer, 0, length);
    KEEP(buffer);
}

bool sm_equal(const void *a, const void *b, size_t length) {
    const uint8_t *left = a;
    const uint8_t *right = b;
    uint64_t difference = 0;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t x;
        uint64_t y;
        memcpy(&x, left + i, 8);
        memcpy(&y, right + i, 8);
        difference |= x ^ y;
        OPAQUE(difference);
    }
    for (; i < length; i++) {
        difference |= (uint64_t)(left[i] ^ right[i]);
        OPAQUE(difference);
    }
    return difference == 0;
}

typedef uint64_t wide __attribute__((vector_size(16)));

bool sm_is_zero(const void *buffer, size_t length) {
    const uint8_t *bytes = buffer;
    wide seen_wide[4] = {{0}};
    size_t i = 0;
    for (; i + 64 <= length; i += 64) { /* a vector register each: a free run of a megabyte is looked through too */
        wide word;
        memcpy(&word, bytes + i, 16);
        seen_wide[0] |= word;
        memcpy(&word, bytes + i + 16, 16);
        seen_wide[1] |= word;
        memcpy(&word, bytes + i + 32, 16);
        seen_wide[2] |= word;
        memcpy(&word, bytes + i + 48, 16);
        seen_wide[3] |= word;
    }
    wide all = seen_wide[0] | seen_wide[1] | seen_wide[2] | seen_wide[3];
    uint64_t seen = all[0] | all[1];
    for (; i + 8 <= length; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        seen |= word;
    }
    for (; i < length; i++) seen |= bytes[i];
    OPAQUE(seen);
    return seen == 0;
}

/* Each level owns one piece of stack below its caller's. */
static __attribute__((noinline)) void scrub_pieces(size_t pieces) {
    uint8_t piece[SCRUB_PIECE];
    sm_wipe(piece, sizeof piece);
    if (pieces > 1) scrub_pieces(pieces - 1);
    KEEP(piece); /* no tail call: the frames must nest */
}

size_t sm_scrub(size_t depth) {
    sm_clear_registers();
    size_t room = sm_os_stack_room();
    size_t usable = room > STACK_MARGIN ? room - STACK_MARGIN : 0;
    if (depth > usable) depth = usable;
    /* A frame is a little more than its piece; count it as the half more. */
    size_t pieces = depth / SCRUB_PIECE;
    if (pieces > 0 && pieces * (SCRUB_PIECE + SCRUB_PIECE / 2) > usable) pieces = usable / (SCRUB_PIECE + SCRUB_PIECE / 2);
    if (pieces > 0) scrub_pieces(pieces);
    return pieces * SCRUB_PIECE;
}
