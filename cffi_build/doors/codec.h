/* codec.h: hex (RFC 4648 section 8) and base64 (sections 4 and 5), in constant
 * time.
 *
 * No branch and no address depends on the bytes: characters are computed, not
 * looked up, and a bad one is remembered and not jumped at.  What may be seen
 * from the time is the length.
 */
#ifndef SM_CODEC_H
#define SM_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out: half of length, which is even.  False: some character is not a hex digit,
 * and out is not to be used. */
bool sm_hex_decode(uint8_t *out, const uint8_t *text, size_t length);
/* out: twice length; lower-case digits. */
void sm_hex_encode(uint8_t *out, const uint8_t *data, size_t length);

/* How many of the last two characters are '=': what the length of the data
 * follows from, and so public. */
size_t sm_base64_padding(const uint8_t *text, size_t length);
/* text: length characters without their padding, length % 4 != 1; out: length *
 * 3 / 4.  False: a character is not of the alphabet, or the bits left over at the
 * end are not zero. */
bool sm_base64_decode(uint8_t *out, const uint8_t *text, size_t length, bool url);
/* out: sm_base64_length(length, padded) characters. */
void sm_base64_encode(uint8_t *out, const uint8_t *data, size_t length, bool url, bool padded);
size_t sm_base64_length(size_t length, bool padded);

#endif
