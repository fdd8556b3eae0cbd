/* codec_undefined.c: the codec on bytes that memcheck takes for never set.
 *
 * Memcheck reports every branch and every address that depends on such bytes:
 * what it does not report depends on the length alone.  What may be known is
 * declared so: the length that the padding tells, and whether the text was good.
 * An argument asks for a control: a decoder with a table, or one that stops at
 * the first bad character.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#include "codec.h"

static int failures;

static void check(bool good) {
    VALGRIND_MAKE_MEM_DEFINED(&good, sizeof good);
    failures += !good;
}

static void round_trip(size_t length, bool url, bool padded) {
    uint8_t *data = malloc(length), *text = malloc(2 * length + 8), *back = malloc(2 * length + 8);
    for (size_t i = 0; i < length; i++) data[i] = (uint8_t)(i * 151 + length);
    VALGRIND_MAKE_MEM_UNDEFINED(data, length);
    sm_hex_encode(text, data, length);
    check(sm_hex_decode(back, text, 2 * length));
    size_t characters = sm_base64_length(length, padded);
    sm_base64_encode(text, data, length, url, padded);
    size_t padding = sm_base64_padding(text, characters);
    VALGRIND_MAKE_MEM_DEFINED(&padding, sizeof padding);
    check(sm_base64_decode(back, text, characters - padding, url));
    VALGRIND_MAKE_MEM_DEFINED(data, length);
    VALGRIND_MAKE_MEM_DEFINED(back, length);
    failures += memcmp(data, back, length) != 0;
    free(data), free(text), free(back);
}

static unsigned with_table(const uint8_t *secret) {
    static const uint8_t table[256] = {['0'] = 1, ['1'] = 2};
    return table[secret[3]];
}

static unsigned with_branch(const uint8_t *secret) {
    for (unsigned i = 0; i < 8; i++) {
        if (secret[i] == 0xee) return i;
    }
    return 9;
}

int main(int count, char **words) {
    if (count > 1) {
        uint8_t secret[8] = {1, 2, 3, 4, 5, 6, 7, 8};
        VALGRIND_MAKE_MEM_UNDEFINED(secret, sizeof secret);
        volatile unsigned result = strcmp(words[1], "table") == 0 ? with_table(secret) : with_branch(secret);
        return (int)(result - result);
    }
    for (size_t length = 1; length < 70; length++) {
        for (int variant = 0; variant < 4; variant++) round_trip(length, variant & 1, variant >> 1);
    }
    printf("%d failures\n", failures);
    return failures != 0;
}
