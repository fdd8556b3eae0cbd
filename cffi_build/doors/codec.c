/* codec.c: hex and base64 by arithmetic, eight characters at a time.
 *
 * A uint64_t is taken as eight lanes of a byte, the first character in the
 * lowest.  Lanes are kept below 128 before they are added to, so that no carry
 * leaves a lane; sums are then taken modulo 128.  Ranges become masks, and
 * masks select; nothing else does.
 */
#include "codec.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lanes below are in little-endian order");

#define EACH(byte) (0x0101010101010101u * (uint64_t)(byte))
#define EVEN 0x00ff00ff00ff00ffu
#define QUARTERS 0x0000ffff0000ffffu

/* 0x80 in each lane that is at least low. */
static inline uint64_t at_least(uint64_t lanes, unsigned low) {
    return (lanes + EACH(0x80 - low)) & EACH(0x80);
}

/* 0xff in each lane from low to high, which are 1 to 126. */
static inline uint64_t in_range(uint64_t lanes, unsigned low, unsigned high) {
    uint64_t in = at_least(lanes, low) & ~at_least(lanes, high + 1);
    return in | (in - (in >> 7));
}

/* Up to eight bytes; the lanes above are fill. */
static inline uint64_t load(const uint8_t *from, size_t length, uint8_t fill) {
    uint64_t lanes = EACH(fill);
    memcpy(&lanes, from, length);
    return lanes;
}

/* -- hex -- */

/* Digits to values; what is none sets 0x80 in its lane of *bad. */
static inline uint64_t digit_values(uint64_t text, uint64_t *bad) {
    uint64_t lanes = text & EACH(0x7f);
    uint64_t alpha = in_range(lanes | EACH(0x20), 'a', 'f');
    *bad |= text | ~(in_range(lanes, '0', '9') | alpha);
    return (lanes & EACH(0x0f)) + (alpha & EACH(9));
}

static inline uint32_t join_digits(uint64_t values) {
    uint64_t bytes = (values << 4 | values >> 8) & EVEN;
    bytes = (bytes | bytes >> 8) & QUARTERS;
    return (uint32_t)(bytes | bytes >> 16);
}

bool sm_hex_decode(uint8_t *out, const uint8_t *text, size_t length) {
    uint64_t bad = 0;
    for (; length >= 8; text += 8, out += 4, length -= 8) {
        uint32_t bytes = join_digits(digit_values(load(text, 8, 0), &bad));
        memcpy(out, &bytes, 4);
    }
    uint32_t bytes = join_digits(digit_values(load(text, length, '0'), &bad));
    memcpy(out, &bytes, length / 2);
    return (bad & EACH(0x80)) == 0;
}

static inline uint64_t digits_of(uint32_t bytes) {
    uint64_t lanes = bytes;
    lanes = (lanes | lanes << 16) & QUARTERS;
    lanes = (lanes | lanes << 8) & EVEN;
    lanes = (lanes >> 4 | lanes << 8) & EACH(0x0f);
    uint64_t alpha = at_least(lanes, 10) >> 7;
    return lanes + EACH('0') + alpha * ('a' - '0' - 10);
}

void sm_hex_encode(uint8_t *out, const uint8_t *data, size_t length) {
    for (; length >= 4; data += 4, out += 8, length -= 4) {
        uint64_t digits = digits_of((uint32_t)load(data, 4, 0));
        memcpy(out, &digits, 8);
    }
    uint64_t digits = digits_of((uint32_t)load(data, length, 0));
    memcpy(out, &digits, 2 * length);
}

/* -- base64 -- */

struct alphabet {
    unsigned c62, c63;
};
static const struct alphabet standard = {'+', '/'}, for_urls = {'-', '_'};

/* A constant that is added modulo 128. */
#define MINUS(n) (128 - (n))

/* Characters to values; what is none sets 0x80 in its lane of *bad. */
static inline uint64_t sextet_values(uint64_t text, const struct alphabet *alphabet, uint64_t *bad) {
    uint64_t lanes = text & EACH(0x7f);
    uint64_t upper = in_range(lanes, 'A', 'Z'), lower = in_range(lanes, 'a', 'z'), numeral = in_range(lanes, '0', '9');
    uint64_t is62 = in_range(lanes, alphabet->c62, alphabet->c62), is63 = in_range(lanes, alphabet->c63, alphabet->c63);
    *bad |= text | ~(upper | lower | numeral | is62 | is63);
    uint64_t shift = (upper & EACH(MINUS('A'))) | (lower & EACH(MINUS('a' - 26))) | (numeral & EACH(52 - '0')) |
                     (is62 & EACH((62 - alphabet->c62) & 0x7f)) | (is63 & EACH((63 - alphabet->c63) & 0x7f));
    return (lanes + shift) & EACH(0x7f);
}

/* Eight values to six bytes. */
static inline uint64_t join_sextets(uint64_t values) {
    uint64_t twelves = (values & EVEN) << 6 | (values >> 8 & EVEN);
    uint64_t triples = (twelves & QUARTERS) << 12 | (twelves >> 16 & QUARTERS);
    uint64_t bytes = __builtin_bswap64(triples); /* the first triple is now in the upper half, its bytes in order */
    return bytes >> 40 | (bytes >> 8 & 0xffffffu) << 24;
}

size_t sm_base64_padding(const uint8_t *text, size_t length) {
    if (length < 2) return 0;
    uint64_t two = load(text + length - 2, 2, 0);
    uint64_t padding = in_range(two & EACH(0x7f), '=', '=') & ~two & EACH(0x80);
    uint64_t last = padding >> 15 & 1, before = padding >> 7 & 1;
    return last + (last & before);
}

bool sm_base64_decode(uint8_t *out, const uint8_t *text, size_t length, bool url) {
    const struct alphabet *alphabet = url ? &for_urls : &standard;
    uint64_t bad = 0;
    for (; length >= 8; text += 8, out += 6, length -= 8) {
        uint64_t bytes = join_sextets(sextet_values(load(text, 8, 0), alphabet, &bad));
        memcpy(out, &bytes, 6);
    }
    uint64_t bytes = join_sextets(sextet_values(load(text, length, 'A'), alphabet, &bad));
    size_t whole = length * 3 / 4;
    memcpy(out, &bytes, whole);
    return ((bad & EACH(0x80)) | bytes >> 8 * whole) == 0; /* 'A' stands for zeros: what is left over must be zero */
}

static inline uint64_t split_triples(uint64_t bytes) {
    uint64_t triples = __builtin_bswap64(bytes << 40 | (bytes >> 24 & 0xffffffu) << 8);
    uint64_t twelves = (triples >> 12 & QUARTERS) | (triples & 0x00000fff00000fffu) << 16;
    return (twelves >> 6 & EVEN) | (twelves & 0x003f003f003f003fu) << 8;
}

/* Each range begins where the one before it ends, so that a lane is moved once for every bound that it reaches. */
static inline uint64_t characters_of(uint64_t lanes, const struct alphabet *alphabet) {
    uint64_t lower = at_least(lanes, 26) >> 7, numeral = at_least(lanes, 52) >> 7;
    uint64_t is62 = at_least(lanes, 62) >> 7, is63 = at_least(lanes, 63) >> 7;
    return lanes + EACH('A') + lower * ('a' - 26 - 'A') - numeral * ('a' - 26 + 52 - '0') -
           is62 * ('0' - 52 + 62 - alphabet->c62) + is63 * (alphabet->c63 - alphabet->c62 - 1);
}

size_t sm_base64_length(size_t length, bool padded) {
    size_t rest = length % 3;
    return length / 3 * 4 + (rest == 0 ? 0 : padded ? 4 : rest + 1);
}

void sm_base64_encode(uint8_t *out, const uint8_t *data, size_t length, bool url, bool padded) {
    const struct alphabet *alphabet = url ? &for_urls : &standard;
    for (; length >= 8; data += 6, out += 8, length -= 6) { /* of eight bytes six are taken: one load, not two */
        uint64_t characters = characters_of(split_triples(load(data, 8, 0)), alphabet);
        memcpy(out, &characters, 8);
    }
    if (length >= 6) {
        uint64_t characters = characters_of(split_triples(load(data, 6, 0)), alphabet);
        memcpy(out, &characters, 8);
        data += 6, out += 8, length -= 6;
    }
    uint64_t characters = characters_of(split_triples(load(data, length, 0)), alphabet);
    size_t count = sm_base64_length(length, false);
    memcpy(out, &characters, count);
    if (padded) memset(out + count, '=', sm_base64_length(length, true) - count);
}
