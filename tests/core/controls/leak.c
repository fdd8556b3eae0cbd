/* leak.c: memory that nobody frees, for memcheck and LeakSanitizer to find. */
#include <stdlib.h>

static void lose(void) {
    volatile char *bytes = malloc(100);
    if (bytes != NULL) bytes[0] = 1;
}

int main(void) {
    lose();
    return 0;
}
