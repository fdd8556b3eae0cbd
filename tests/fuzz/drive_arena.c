/* drive_arena.c: feeds the model pseudo-random bytes for some seconds, for volume.
 *
 *   drive_arena SECONDS SEED, and prints how many operations were made
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fuzz_model.h"

#define RUN_BYTES 8192

/* splitmix64 by Sebastiano Vigna, public domain. */
static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int main(int count, char **words) {
    if (count != 3) return 2;
    time_t end = time(NULL) + atoi(words[1]);
    uint64_t state = strtoull(words[2], NULL, 0);
    uint64_t runs = 0;
    static union {
        uint64_t words[RUN_BYTES / 8];
        uint8_t bytes[RUN_BYTES];
    } input;
    while (time(NULL) < end) {
        for (size_t i = 0; i < RUN_BYTES / 8; i++) input.words[i] = next(&state);
        fuzz_run(input.bytes, RUN_BYTES);
        runs++;
    }
    printf("runs %llu\noperations %llu\n", (unsigned long long)runs, (unsigned long long)fuzz_operations);
    return 0;
}
