/* undefined.c: a signed overflow, for UndefinedBehaviorSanitizer to find. */
#include <limits.h>

int main(int count, char **words) {
    (void)words;
    volatile int most = INT_MAX;
    return most + count == 0;
}
