/* blocks.h: what two constructions over AES do between the calls of the
 * cipher, so that intermediate values stay in the buffer they were made in. */
#ifndef SM_BLOCKS_H
#define SM_BLOCKS_H

#include "words.h"

/* XAES-256-GCM (C2SP) with the key commitment of ePrint 2025/758.
 *   work   [AES(K, 0^128) 16][AES(K, "XCMT" || nonce[0..12]) 16]  given
 *          [subkey 32][commitment 32]  written: each to be encrypted under K
 *   nonce  24 bytes */
void sm_xaes_inputs(uint8_t *work, const uint8_t *nonce);

/* AES key wrap and unwrap (RFC 3394), one step of which is load, encrypt or decrypt, store.
 *   work   [A 8][B 8]              the block to encrypt or decrypt
 *          [answer 16][slack 16]   where the cipher writes it
 *          [R1 8][R2 8] ...        the registers */
#define SM_WRAP_HEAD 48
void sm_wrap_load(uint8_t *work, size_t index);                  /* B = R[index] */
void sm_wrap_store(uint8_t *work, size_t index, uint64_t step);  /* A || R[index] = answer; A ^= step */
void sm_unwrap_load(uint8_t *work, size_t index, uint64_t step); /* A ^= step, B = R[index] */
void sm_unwrap_store(uint8_t *work, size_t index);               /* A || R[index] = answer */

#endif
