/* overflow.c: a byte read past the end of the heap's, for AddressSanitizer and
 * memcheck to find. */
#include <stdlib.h>

/* Apart, so that the compiler does not know how long the array is. */
static __attribute__((noinline)) int at(volatile char *bytes, int index) {
    return bytes[index];
}

int main(int count, char **words) {
    (void)words;
    volatile char *bytes = calloc(1, 16);
    if (bytes == NULL) return 2;
    int found = at(bytes, 15 + count);
    free((void *)bytes);
    return found;
}
