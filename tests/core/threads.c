/* threads.c: threads that use the core at once, in every way that may collide.
 *
 *   threads ROUNDS [inherit]
 *
 * Four threads open and close views of secrets on one page, two take and
 * return secrets of all sizes, one purges and reads statistics, and one forks
 * children that must find nothing of it; where the arena inherits, they must
 * read and change its secrets.  Ends with 0 and a count of what was done, or
 * aborts where a byte or an answer is wrong.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "securemem.h"

#define HAMMERS 4
#define TAKERS 2
#define OWN 8 /* secrets per thread */

static sm_arena *closed_arena, *open_arena;
static size_t rounds;
static atomic_size_t wiped_under_way, children;
static atomic_bool over;
static bool inherits;

static void must(bool good, const char *what) {
    if (good) return;
    fprintf(stderr, "threads: %s\n", what);
    abort();
}

static sm_slot *make(sm_arena *arena, size_t length, uint8_t value) {
    sm_slot *slot;
    uint8_t *data;
    must(sm_secret_take(&slot, arena, length) == SM_OK, "take");
    enum sm_status status = sm_secret_open(slot, &data, true);
    if (status == SM_WIPED) return slot; /* purged already */
    must(status == SM_OK, "open to write");
    for (size_t i = 0; i < length; i++) must(data[i] == 0, "a taken secret is not zero");
    memset(data, value, length);
    sm_secret_close(slot, true);
    return slot;
}

/* Reads and rewrites a secret; false: a purge came before. */
static bool use(sm_slot *slot, size_t length, uint8_t value, bool writable) {
    uint8_t *data;
    enum sm_status status = sm_secret_open(slot, &data, writable);
    if (status == SM_WIPED) return false;
    must(status == SM_OK, "open");
    for (size_t i = 0; i < length; i++) must(data[i] == value, "a secret changed");
    if (writable) memset(data, value, length);
    sm_secret_close(slot, writable);
    return true;
}

static void *hammer(void *argument) {
    uint8_t value = (uint8_t)(uintptr_t)argument;
    sm_slot *own[OWN];
    for (size_t i = 0; i < OWN; i++) own[i] = make(closed_arena, 32, value);
    for (size_t round = 0; round < rounds; round++) {
        sm_slot **slot = &own[round % OWN];
        if (use(*slot, 32, value, round % 3 == 0)) continue;
        atomic_fetch_add(&wiped_under_way, 1);
        sm_secret_return(*slot);
        *slot = make(closed_arena, 32, value);
    }
    for (size_t i = 0; i < OWN; i++) sm_secret_return(own[i]);
    return NULL;
}

static void *take_and_return(void *argument) {
    uint8_t value = (uint8_t)(uintptr_t)argument;
    for (size_t round = 0; round < rounds; round++) {
        size_t length = round % 64 == 5 ? SM_LONG_SECRET + 7 : 1 + round * 37 % 6000; /* wiped without the mutex */
        sm_arena *arena = round % 4 == 0 ? closed_arena : open_arena;
        sm_slot *slot = make(arena, length, value);
        must(sm_arena_is_locked(arena), "locked");
        bool equal = false;
        enum sm_status status = sm_secret_equal_secret(slot, &equal, slot);
        must(status == SM_WIPED || (status == SM_OK && equal), "equal to itself");
        use(slot, length, value, false);
        if (round % 2 == 0) sm_secret_wipe(slot);
        sm_secret_return(slot);
    }
    return NULL;
}

static void *purge(void *unused) {
    (void)unused;
    while (!atomic_load(&over)) {
        struct sm_statistics all;
        must(sm_arena_statistics(NULL, &all) == SM_OK && all.failed_closes == 0, "statistics");
        sm_secret_purge();
        usleep(2000);
    }
    return NULL;
}

/* The parent's secret, unless a purge came before; and a new one beside it. */
static int in_inheriting_child(sm_slot *own) {
    if (use(own, 32, 200, false) && !use(own, 32, 200, true)) return 4;
    if (sm_secret_state(own) == SM_FORKED) return 5;
    sm_slot *slot = make(closed_arena, 32, 9);
    if (!use(slot, 32, 9, true)) return 6;
    sm_secret_return(slot);
    sm_secret_return(own);
    sm_secret_purge(); /* of other threads' too, written or half-written */
    struct sm_statistics all;
    return sm_arena_statistics(NULL, &all) == SM_OK && all.live_secrets == 0 ? 0 : 7;
}

static int in_child(sm_slot *parents) {
    if (inherits) return in_inheriting_child(parents);
    uint8_t *data;
    if (sm_secret_open(parents, &data, false) != SM_FORKED) return 1;
    sm_arena *arena;
    struct sm_policy policy = {.at_rest = SM_AT_REST_NOACCESS};
    if (sm_arena_create(&arena, &policy) != SM_OK) return 2;
    sm_slot *slot = make(arena, 100, 9);
    return use(slot, 100, 9, true) ? 0 : 3;
}

static void *fork_often(void *unused) {
    (void)unused;
    sm_slot *own = make(closed_arena, 32, 200);
    while (!atomic_load(&over)) {
        if (!use(own, 32, 200, false)) { /* purged */
            sm_secret_return(own);
            own = make(closed_arena, 32, 200);
        }
        pid_t pid = fork();
        if (pid == 0) _exit(in_child(own));
        int status;
        must(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
        must(status == 0, "a forked child found what it must not, or could not make its own");
        atomic_fetch_add(&children, 1);
        usleep(5000);
    }
    sm_secret_return(own);
    return NULL;
}

static pthread_t start(void *(*work)(void *), size_t number) {
    pthread_t thread;
    must(pthread_create(&thread, NULL, work, (void *)(uintptr_t)number) == 0, "thread");
    return thread;
}

int main(int count, char **words) {
    rounds = count > 1 ? strtoul(words[1], NULL, 10) : 10000;
    struct sm_policy policy = {.at_rest = SM_AT_REST_NOACCESS, .lock = SM_LOCK_WARN};
    inherits = count > 2;
    if (inherits) policy.fork = SM_FORK_INHERIT;
    must(sm_start() == SM_OK && sm_arena_create(&closed_arena, &policy) == SM_OK, "closed arena");
    policy.at_rest = SM_AT_REST_READWRITE;
    policy.fork = SM_FORK_EXCLUDE;
    must(sm_arena_create(&open_arena, &policy) == SM_OK, "open arena");
    pthread_t workers[HAMMERS + TAKERS];
    for (size_t i = 0; i < HAMMERS + TAKERS; i++) workers[i] = start(i < HAMMERS ? hammer : take_and_return, i + 1);
    pthread_t purger = start(purge, 0);
    pthread_t forker = start(fork_often, 0);
    for (size_t i = 0; i < HAMMERS + TAKERS; i++) pthread_join(workers[i], NULL);
    atomic_store(&over, true);
    pthread_join(purger, NULL);
    pthread_join(forker, NULL);
    sm_arena_release(closed_arena);
    sm_arena_release(open_arena);
    struct sm_statistics none;
    must(sm_arena_statistics(NULL, &none) == SM_OK, "statistics at the end");
    must(none.runs == 0 && none.live_secrets == 0 && none.open_windows == 0, "nothing is left");
    printf("purged under way %zu children %zu\n", atomic_load(&wiped_under_way), atomic_load(&children));
    return 0;
}
