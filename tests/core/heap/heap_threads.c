/* heap_threads.c: threads that use the crypto heap at once, some blocks handed
 * from one to another, while one thread forks children and one makes raw clones.
 *
 *   heap_threads ROUNDS
 *
 * The forking thread's handlers allocate too, as other libraries' do.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap.h"
#include "securemem.h"

#define THREADS 4
#define OWN 64
#define HANDED 32
#define PATIENCE 20 /* seconds until a child counts as hung */

static size_t rounds;
static atomic_bool over;
static atomic_size_t children;
static _Atomic(uint8_t *) handed[HANDED];

static void must(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "heap_threads: %s\n", what);
    abort();
}

static uint8_t *make(size_t length, uint8_t value) {
    uint8_t *block = sm_heap_take(length, 0);
    must(block != NULL, "no block");
    for (size_t i = 0; i < length; i++) must(block[i] == 0, "a new block is not zero");
    memset(block, value, sm_heap_size(block));
    return block;
}

static void drop(uint8_t *block) {
    size_t length = sm_heap_size(block);
    for (size_t i = 1; i < length; i++) must(block[i] == block[0], "a block changed");
    sm_heap_return(block);
}

static void *hammer(void *argument) {
    unsigned seed = (unsigned)(uintptr_t)argument;
    uint8_t *own[OWN] = {NULL};
    for (size_t i = 0; i < rounds; i++) {
        size_t at = (size_t)rand_r(&seed) % OWN;
        if (own[at] != NULL) drop(own[at]);
        size_t length = rand_r(&seed) % 50 == 0 ? (size_t)rand_r(&seed) % 40000 : (size_t)rand_r(&seed) % 900;
        own[at] = make(length + 1, (uint8_t)(1 + rand_r(&seed) % 255));
        own[at] = atomic_exchange(&handed[(size_t)rand_r(&seed) % HANDED], own[at]);
    }
    for (size_t i = 0; i < OWN; i++) {
        if (own[i] != NULL) drop(own[i]);
    }
    return NULL;
}

static void live_as_child(bool may_be_left_alone) {
    alarm(PATIENCE);
    for (size_t i = 0; i < 200; i++) {
        uint8_t *block = sm_heap_take(1 + i * 7, 0);
        if (block == NULL && may_be_left_alone) break;
        must(block != NULL, "no block in a child");
        must(block[0] == 0, "a new block in a child is not zero");
        block[0] = 1;
        sm_heap_return(block);
    }
    for (size_t i = 0; i < HANDED; i++) { /* blocks that the parent made */
        uint8_t *block = atomic_exchange(&handed[i], NULL);
        if (block != NULL) drop(block);
    }
    _exit(0);
}

static void reap(pid_t child) {
    int status;
    must(waitpid(child, &status, 0) == child, "waitpid");
    must(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child did not end well");
    atomic_fetch_add(&children, 1);
}

static void *fork_children(void *argument) {
    (void)argument;
    while (!atomic_load(&over)) {
        pid_t child = fork();
        must(child >= 0, "fork");
        if (child == 0) live_as_child(false);
        reap(child);
#ifndef WITHOUT_RAW_CLONES
        child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
        must(child >= 0, "clone");
        if (child == 0) live_as_child(true);
        reap(child);
#endif
    }
    return NULL;
}

/* Handlers of another library, around ours. */
static uint8_t *made_before;
static void before(void) {
    made_before = make(100, 7);
}
static void after(void) {
    drop(made_before);
    drop(make(3000, 9));
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS];
    pthread_t forker;
    rounds = argc == 2 ? strtoull(argv[1], NULL, 10) : 1000;
    must(pthread_atfork(before, after, after) == 0, "atfork"); /* before ours: runs while the mutexes are held */
    must(sm_start() == SM_OK, "core");
    must(sm_heap_start((size_t)512 << 10) == SM_OK, "start");
    must(pthread_create(&forker, NULL, fork_children, NULL) == 0, "thread");
    for (size_t i = 0; i < THREADS; i++) {
        must(pthread_create(&threads[i], NULL, hammer, (void *)(uintptr_t)(i + 1)) == 0, "thread");
    }
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    atomic_store(&over, true);
    pthread_join(forker, NULL);
    for (size_t i = 0; i < HANDED; i++) {
        if (handed[i] != NULL) drop(handed[i]);
    }
    struct sm_heap_statistics found;
    sm_heap_count(&found);
    must(found.live_blocks == 0 && found.live_bytes == 0, "something is left");
    must(atomic_load(&children) > 2, "no child was made");
    printf("children %zu\n", atomic_load(&children));
    return 0;
}
