/* fuzz_model.c: what the core should do, beside what it does.
 *
 * Each step takes a few bytes: which operation, on which secret or arena, how
 * much.  The model knows the state that each secret must have and keeps a copy
 * of its bytes, so every status, count and byte that the core answers is
 * foretold.  Only "full" is not: an arena with max_bytes may say it, and must
 * not have said before that the secret fits.
 */
#include "fuzz_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "securemem.h"

#define ARENAS 4
#define SECRETS 96
#define LARGEST 13000

enum state { ABSENT, LIVE, FROZEN, DOOMED, WIPED };

struct secret {
    enum state state;
    sm_slot *slot;
    size_t arena;
    size_t length;
    uint32_t views[2]; /* readers, writers */
    uint8_t *data;     /* while a view is open */
    uint8_t copy[LARGEST];
};

struct arena {
    sm_arena *arena; /* NULL: absent */
    struct sm_policy policy;
    bool closed;
    size_t live, live_bytes, windows;
};

uint64_t fuzz_operations;
static struct secret secrets[SECRETS];
static struct arena arenas[ARENAS];
static const uint8_t *input, *input_end;

#define CHECK(what) \
    do { \
        if (!(what)) fail(#what, __LINE__); \
    } while (0)

static void fail(const char *what, int line) {
    fprintf(stderr, "core and model differ: %s, line %d, operation %llu\n", what, line,
            (unsigned long long)fuzz_operations);
    abort();
}

static size_t byte(void) {
    return input < input_end ? *input++ : 0;
}

static size_t views(const struct secret *secret) {
    return (size_t)secret->views[0] + secret->views[1];
}

static void gone(struct secret *secret, enum state state) {
    if (secret->state == LIVE || secret->state == FROZEN || secret->state == DOOMED) {
        arenas[secret->arena].live--;
        arenas[secret->arena].live_bytes -= secret->length;
    }
    secret->state = state;
}


/* -- operations on arenas -- */

/* The memfd_secret backend, where the kernel has it. */
static int secret_memory(void) {
    static int backend = -1;
    if (backend >= 0) return backend;
    struct sm_policy policy = {.backend = SM_BACKEND_MEMFD_SECRET};
    sm_arena *arena;
    sm_slot *slot;
    CHECK(sm_arena_create(&arena, &policy) == SM_OK);
    enum sm_status status = sm_secret_take(&slot, arena, 32);
    CHECK(status == SM_OK || status == SM_NO_BACKEND);
    if (status == SM_OK) sm_secret_return(slot);
    sm_arena_release(arena);
    backend = status == SM_OK ? SM_BACKEND_MEMFD_SECRET : SM_BACKEND_MLOCK;
    return backend;
}

static void create_arena(struct arena *arena) {
    if (arena->arena != NULL) return;
    size_t choice = byte();
    memset(arena, 0, sizeof *arena);
    arena->policy.at_rest = choice & 3 ? SM_AT_REST_READWRITE : SM_AT_REST_NOACCESS; /* open ones are for volume */
    arena->policy.lock = choice & 4 ? SM_LOCK_REQUIRE : SM_LOCK_WARN;
    arena->policy.max_bytes = choice & 8 ? 4096 * (1 + (choice >> 4)) : 0;
    if (byte() < 16) arena->policy.backend = secret_memory();
    CHECK(sm_arena_create(&arena->arena, &arena->policy) == SM_OK);
    fuzz_operations++;
}

static size_t doom(size_t index, bool all) {
    size_t waiting = 0;
    for (size_t i = 0; i < SECRETS; i++) {
        struct secret *secret = &secrets[i];
        if (secret->state == ABSENT || secret->state == WIPED || (!all && secret->arena != index)) continue;
        waiting += views(secret);
        if (views(secret) > 0) secret->state = DOOMED;
        else gone(secret, WIPED);
    }
    return waiting;
}

static void close_arena(size_t index) {
    if (arenas[index].arena == NULL) return;
    size_t waiting;
    CHECK(sm_arena_close(arenas[index].arena, &waiting) == SM_OK);
    CHECK(waiting == doom(index, false));
    arenas[index].closed = true;
    fuzz_operations++;
}

/* Its handle goes; the place is free again once its secrets are back. */
static void release_arena(size_t index) {
    if (arenas[index].arena == NULL) return;
    for (size_t i = 0; i < SECRETS; i++) {
        if (secrets[i].state != ABSENT && secrets[i].arena == index) return;
    }
    sm_arena_release(arenas[index].arena);
    arenas[index].arena = NULL;
    fuzz_operations++;
}

static void read_statistics(size_t index) {
    struct sm_statistics found;
    const struct arena *arena = &arenas[index];
    if (arena->arena == NULL) return;
    CHECK(sm_arena_statistics(arena->arena, &found) == SM_OK);
    CHECK(found.live_secrets == arena->live && found.live_bytes == arena->live_bytes);
    CHECK(found.open_windows == arena->windows);
    CHECK(found.page_bytes >= found.live_bytes && found.locked_bytes <= found.page_bytes);
    CHECK(arena->policy.max_bytes == 0 || found.page_bytes <= arena->policy.max_bytes);
    CHECK(arena->policy.lock == SM_LOCK_WARN || found.locked_bytes == found.page_bytes);
    CHECK(found.failed_closes == 0 && found.stuck_pages == 0 && found.pending_wipes == 0);
    fuzz_operations++;
}

static void purge(void) {
    size_t waiting = sm_secret_purge();
    CHECK(waiting == doom(0, true));
    fuzz_operations++;
}

/* -- operations on secrets -- */

static size_t some_length(void) {
    size_t choice = byte();
    if (choice < 160) return 1 + choice % 64;
    size_t more = byte();
    if (choice < 250) return 1 + more * 16 + choice % 16; /* all size classes, and the edge to large ones */
    return 4000 + more * 32;
}

static void take(struct secret *secret) {
    size_t index = byte() % ARENAS;
    struct arena *arena = &arenas[index];
    size_t length = some_length();
    bool open = byte() & 1;
    if (secret->state != ABSENT || arena->arena == NULL) return;
    size_t fitting = 0;
    bool bounded = arena->policy.max_bytes != 0;
    if (bounded) CHECK(sm_arena_fits(arena->arena, &fitting, length, (size_t)1 << 30) == SM_OK);
    enum sm_status status = open ? sm_secret_take_open(&secret->slot, &secret->data, arena->arena, length)
                                 : sm_secret_take(&secret->slot, arena->arena, length);
    fuzz_operations += bounded ? 2 : 1;
    if (arena->closed) {
        CHECK(status == SM_CLOSED);
        return;
    }
    if (status == SM_FULL) {
        CHECK(bounded && fitting == 0);
        return;
    }
    CHECK(status == SM_OK && (!bounded || fitting > 0));
    secret->state = LIVE;
    secret->arena = index;
    secret->length = length;
    secret->views[0] = 0;
    secret->views[1] = open;
    if (open) arena->windows++;
    memset(secret->copy, 0, length);
    if (open) CHECK(memcmp(secret->data, secret->copy, length) == 0);
    arena->live++;
    arena->live_bytes += length;
}

static void open_view(struct secret *secret, bool writable) {
    if (secret->state == ABSENT || views(secret) > 40) return;
    uint8_t *data = NULL;
    enum sm_status status = sm_secret_open(secret->slot, &data, writable);
    fuzz_operations++;
    if (secret->state == DOOMED || secret->state == WIPED) {
        CHECK(status == SM_WIPED);
    } else if (secret->state == FROZEN && writable) {
        CHECK(status == SM_FROZEN);
    } else {
        CHECK(status == SM_OK);
        CHECK(views(secret) == 0 || data == secret->data);
        secret->data = data;
        secret->views[writable]++;
        arenas[secret->arena].windows++;
        if (secret->length <= 64 || byte() < 32) CHECK(memcmp(data, secret->copy, secret->length) == 0);
    }
}

static void close_view(struct secret *secret, bool writable) {
    if (secret->state == ABSENT || secret->views[writable] == 0) return;
    if (secret->length <= 64) CHECK(memcmp(secret->data, secret->copy, secret->length) == 0);
    sm_secret_close(secret->slot, writable);
    fuzz_operations++;
    secret->views[writable]--;
    arenas[secret->arena].windows--;
    if (views(secret) == 0 && secret->state == DOOMED) gone(secret, WIPED);
}

static void write_some(struct secret *secret) {
    if (secret->state == ABSENT || secret->views[1] == 0) return;
    size_t start = byte() * 53 % secret->length;
    size_t length = 1 + byte() % 80;
    if (length > secret->length - start) length = secret->length - start;
    memset(secret->copy + start, (int)byte(), length);
    memcpy(secret->data + start, secret->copy + start, length);
}

static void freeze(struct secret *secret) {
    if (secret->state == ABSENT) return;
    enum sm_status status = sm_secret_freeze(secret->slot);
    fuzz_operations++;
    if (secret->state == DOOMED || secret->state == WIPED) {
        CHECK(status == SM_WIPED);
    } else if (secret->views[1] > 0) {
        CHECK(status == SM_EXPORTED);
    } else {
        CHECK(status == SM_OK);
        secret->state = FROZEN;
    }
}

static void wipe(struct secret *secret) {
    if (secret->state == ABSENT) return;
    enum sm_status status = sm_secret_wipe(secret->slot);
    fuzz_operations++;
    if (views(secret) > 0) {
        CHECK(status == SM_EXPORTED);
        secret->state = DOOMED;
        return;
    }
    CHECK(status == SM_OK);
    gone(secret, WIPED);
}

static void give_back(struct secret *secret) {
    if (secret->state == ABSENT || views(secret) > 0) return;
    sm_secret_return(secret->slot);
    fuzz_operations++;
    gone(secret, ABSENT);
}

static void ask(struct secret *secret) {
    if (secret->state == ABSENT) return;
    bool live = secret->state == LIVE || secret->state == FROZEN;
    CHECK(sm_secret_state(secret->slot) == (live ? SM_OK : SM_WIPED));
    CHECK(sm_secret_arena(secret->slot) == arenas[secret->arena].arena);
    struct sm_location location;
    CHECK(sm_secret_locate(secret->slot, &location) == (live ? SM_OK : SM_WIPED));
    fuzz_operations += 3;
    if (views(secret) == 0) return;
    CHECK((uintptr_t)secret->data >= location.pages);
    CHECK((uintptr_t)secret->data + secret->length <= location.pages + location.pages_length);
}

static void compare(struct secret *secret) {
    struct secret *other = &secrets[byte() % SECRETS];
    if (secret->state == ABSENT || other->state == ABSENT) return;
    bool live = (secret->state == LIVE || secret->state == FROZEN);
    bool both = live && (other->state == LIVE || other->state == FROZEN);
    bool same = secret->length == other->length && memcmp(secret->copy, other->copy, secret->length) == 0;
    bool equal;
    enum sm_status status = sm_secret_equal_secret(secret->slot, &equal, other->slot);
    CHECK(status == (both ? SM_OK : SM_WIPED) && (!both || equal == same));
    status = sm_secret_equal(secret->slot, &equal, secret->copy, secret->length);
    CHECK(status == (live ? SM_OK : SM_WIPED) && (!live || equal));
    fuzz_operations += 2;
}

static void step(void) {
    size_t operation = byte();
    struct secret *secret = &secrets[byte() % SECRETS];
    size_t index = byte() % ARENAS;
    if (operation < 70) take(secret);
    else if (operation < 100) open_view(secret, true);
    else if (operation < 120) open_view(secret, false);
    else if (operation < 140) write_some(secret);
    else if (operation < 165) close_view(secret, true);
    else if (operation < 185) close_view(secret, false);
    else if (operation < 215) give_back(secret);
    else if (operation < 222) wipe(secret);
    else if (operation < 227) freeze(secret);
    else if (operation < 235) ask(secret);
    else if (operation < 242) compare(secret);
    else if (operation < 246) read_statistics(index);
    else if (operation < 252) create_arena(&arenas[index]);
    else if (operation < 254) release_arena(index);
    else if (operation < 255) close_arena(index);
    else if (byte() < 64) purge();
}

void fuzz_run(const uint8_t *bytes, size_t length) {
    CHECK(sm_start() == SM_OK);
    input = bytes;
    input_end = bytes + length;
    for (size_t i = 0; i < ARENAS; i++) create_arena(&arenas[i]);
    while (input < input_end) step();
    for (size_t i = 0; i < SECRETS; i++) {
        while (secrets[i].state != ABSENT && secrets[i].views[0] > 0) close_view(&secrets[i], false);
        while (secrets[i].state != ABSENT && secrets[i].views[1] > 0) close_view(&secrets[i], true);
        give_back(&secrets[i]);
    }
    for (size_t i = 0; i < ARENAS; i++) {
        read_statistics(i);
        release_arena(i);
        CHECK(arenas[i].arena == NULL && arenas[i].live == 0 && arenas[i].windows == 0);
    }
    struct sm_statistics none;
    CHECK(sm_arena_statistics(NULL, &none) == SM_OK);
    CHECK(none.runs == 0 && none.page_bytes == 0 && none.mappings == 0);
}
