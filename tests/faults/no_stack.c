/* no_stack.c: preloaded into a test's child process, where nobody tells the main thread where its stack ends, as
 * without /proc. */
#include <errno.h>
#include <pthread.h>

int pthread_getattr_np(pthread_t thread, pthread_attr_t *attributes) {
    (void)thread, (void)attributes;
    return ENOENT;
}
