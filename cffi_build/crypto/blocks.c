/* blocks.c: doubling and xor of cipher blocks, in constant time.
 *
 * The values are secret (subkeys come out of them), so no table is read and
 * no branch taken by them.  AES itself is the caller's.
 */
#include "blocks.h"

#include <string.h>

#include "wipe.h"

#define BLOCK 16

static void xor_into(uint8_t *to, const uint8_t *from, size_t length) {
    for (size_t i = 0; i < length; i++) to[i] ^= from[i];
}

/* Times x in GF(2^128): NIST SP 800-38B, 6.1. */
static void twice(uint8_t *out, const uint8_t *in) {
    uint8_t overflow = (uint8_t)(0u - (in[0] >> 7));
    for (size_t i = 0; i + 1 < BLOCK; i++) out[i] = (uint8_t)(in[i] << 1 | in[i + 1] >> 7);
    out[BLOCK - 1] = (uint8_t)(in[BLOCK - 1] << 1 ^ (overflow & 0x87));
}

void sm_xaes_inputs(uint8_t *work, const uint8_t *nonce) {
    static const uint8_t subkey_labels[2][4] = {{0, 1, 'X', 0}, {0, 2, 'X', 0}};
    static const uint8_t commitment_labels[2][4] = {{0, 1, 0, 1}, {0, 1, 0, 2}};
    uint8_t k1[BLOCK];
    uint8_t *out = work + 2 * BLOCK;
    twice(k1, work);
    for (size_t i = 0; i < 2; i++) {
        uint8_t *subkey = out + i * BLOCK;
        uint8_t *commitment = out + (i + 2) * BLOCK;
        memcpy(subkey, subkey_labels[i], 4);
        memcpy(subkey + 4, nonce, 12);
        xor_into(subkey, k1, BLOCK);
        memcpy(commitment, nonce + 12, 12);
        memcpy(commitment + 12, commitment_labels[i], 4);
        xor_into(commitment, work + BLOCK, BLOCK);
        xor_into(commitment, k1, BLOCK);
    }
    sm_wipe(k1, sizeof k1);
}

static void xor_step(uint8_t *a, uint64_t step) {
    for (size_t i = 8; i-- > 0; step >>= 8) a[i] ^= (uint8_t)step;
}

void sm_wrap_load(uint8_t *work, size_t index) {
    memcpy(work + 8, work + SM_WRAP_HEAD + (index - 1) * 8, 8);
}

void sm_wrap_store(uint8_t *work, size_t index, uint64_t step) {
    sm_unwrap_store(work, index);
    xor_step(work, step);
}

void sm_unwrap_load(uint8_t *work, size_t index, uint64_t step) {
    xor_step(work, step);
    sm_wrap_load(work, index);
}

void sm_unwrap_store(uint8_t *work, size_t index) {
    memcpy(work, work + BLOCK, 8);
    memcpy(work + SM_WRAP_HEAD + (index - 1) * 8, work + BLOCK + 8, 8);
}
