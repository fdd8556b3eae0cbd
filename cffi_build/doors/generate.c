/* generate.c: passwords and passphrases, made in locked memory.
 *
 * A draw takes 32 random bits, multiplies them by the number of choices and
 * keeps the upper half; the few values that would make some choices more likely
 * are drawn again (Lemire, "Fast random integer generation in an interval",
 * 2019).  What is drawn selects by masks over the whole table, not by an index.
 */
#include <string.h>

#include "doors.h"

#define POOL 256

static enum sm_door core_failed(struct sm_growing *growing, enum sm_status status) {
    growing->status = status;
    return SM_DOOR_CORE;
}

/* A number below size, at most 2^32 - 1. */
static enum sm_door draw(struct sm_growing *pool, uint32_t *out, uint32_t size) {
    uint32_t rejected = (0u - size) % size; /* 2^32 modulo size */
    for (;;) {
        if (pool->length < sizeof(uint32_t)) {
            enum sm_status status = sm_random(pool->data, POOL);
            if (status != SM_OK) return core_failed(pool, status);
            pool->length = POOL;
        }
        uint32_t bits;
        pool->length -= sizeof bits;
        memcpy(&bits, pool->data + pool->length, sizeof bits);
        uint64_t product = (uint64_t)bits * size;
        if ((uint32_t)product < rejected) continue;
        *out = (uint32_t)(product >> 32);
        return SM_DOOR_OK;
    }
}

static enum sm_door open_pool(struct sm_growing *pool) {
    pool->limit = POOL;
    return sm_growing_open(pool, POOL);
}

/* 0xff where both are the same, 0 elsewhere. */
static uint8_t same(uint32_t a, uint32_t b) {
    return (uint8_t)(0 - (uint32_t)((((uint64_t)(a ^ b)) - 1) >> 63));
}

enum sm_door sm_generate_password(uint8_t *out, size_t count, struct sm_growing *scratch, const uint8_t *alphabet,
                                  size_t size) {
    enum sm_door door = open_pool(scratch);
    for (size_t at = 0; door == SM_DOOR_OK && at < count; at++) {
        uint32_t drawn = 0;
        door = draw(scratch, &drawn, (uint32_t)size);
        uint8_t chosen = 0;
        for (uint32_t i = 0; i < size; i++) chosen |= same(i, drawn) & alphabet[i];
        out[at] = chosen;
    }
    sm_growing_drop(scratch);
    return door;
}

static enum sm_door append_word(struct sm_growing *out, const uint8_t *table, size_t size, size_t width, uint32_t drawn) {
    enum sm_door door = SM_DOOR_OK;
    for (size_t byte = 0; door == SM_DOOR_OK && byte < width; byte++) {
        uint8_t chosen = 0;
        for (uint32_t i = 0; i < size; i++) chosen |= same(i, drawn) & table[i * width + byte];
        if (chosen == 0) break; /* words have different lengths; the sum of them is seen anyway */
        door = sm_growing_append(out, &chosen, 1);
    }
    return door;
}

enum sm_door sm_generate_passphrase(struct sm_growing *out, struct sm_growing *scratch, size_t count,
                                    const uint8_t *table, size_t size, size_t width, const uint8_t *separator,
                                    size_t separator_length) {
    enum sm_door door = open_pool(scratch);
    for (size_t word = 0; door == SM_DOOR_OK && word < count; word++) {
        uint32_t drawn = 0;
        if (word > 0) door = sm_growing_append(out, separator, separator_length);
        if (door == SM_DOOR_OK) door = draw(scratch, &drawn, (uint32_t)size);
        if (door == SM_DOOR_OK) door = append_word(out, table, size, width, drawn);
    }
    sm_growing_close(out);
    sm_growing_drop(scratch);
    return door;
}
