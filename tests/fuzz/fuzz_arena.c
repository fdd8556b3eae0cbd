/* fuzz_arena.c: libFuzzer's entry to the model; prints the operations at exit. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void report(void) {
    printf("operations %llu\n", (unsigned long long)fuzz_operations);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int registered;
    if (!registered) registered = atexit(report) == 0;
    fuzz_run(data, size);
    return 0;
}
