"""Every form of a secret that a scanner can know: its own, and what ciphers make of a key and keep in memory."""

from __future__ import annotations

from contextlib import suppress

from securemem.scanning import Needle, forms_of, needle

__all__ = ["aes_round_keys", "hmac_pads", "needles_of"]

_BLOCK = 64  # bytes of a block of SHA-256
_AES_KEYS = {16, 24, 32}
_ROUND_KEY = 16
_FOUR, _EIGHT = 4, 8  # bytes of a word; words of an AES-256 key


def _double(value: int) -> int:
    """Multiply by x in GF(2^8)."""
    return (value << 1) ^ (0x11B if value & 0x80 else 0)


def _substitutions() -> bytes:
    """The AES S-box, walked by a generator and its inverse."""
    box = [0x63] * 256
    value = inverse = 1
    for _ in range(255):
        value ^= _double(value)
        for shift in (1, 2, 4):
            inverse = (inverse ^ (inverse << shift)) & 0xFF
        inverse ^= 0x09 if inverse & 0x80 else 0
        rotations = inverse
        for turn in (1, 2, 3, 4):
            rotations ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xFF
        box[value] = rotations ^ 0x63
    return bytes(box)


def aes_round_keys(key: bytes) -> list[bytes]:
    """The round keys of AES, 16 bytes each, those that the key itself makes first. Source: FIPS 197, 5.2.

    key: 16, 24 or 32 bytes; ValueError for others.
    """
    if len(key) not in _AES_KEYS:
        raise ValueError(f"an AES key has 16, 24 or 32 bytes, not {len(key)}")
    box = _substitutions()
    size = len(key) // _FOUR
    words = [key[at : at + _FOUR] for at in range(0, len(key), _FOUR)]
    constant = 1
    for at in range(size, _FOUR * (size + 7)):
        word = words[-1]
        if at % size == 0:
            word = (word[1:] + word[:1]).translate(box)
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = _double(constant)
        elif size == _EIGHT and at % size == _FOUR:
            word = word.translate(box)
        words.append(bytes(a ^ b for a, b in zip(words[at - size], word, strict=True)))
    return [b"".join(words[at : at + _FOUR]) for at in range(0, len(words), _FOUR)]


def hmac_pads(key: bytes, block: int = _BLOCK) -> tuple[bytes, bytes]:
    """The key as HMAC feeds it to the hash: its bytes exored with the inner and the outer pad. Source: RFC 2104.

    block: bytes of a block of the hash; a longer key is hashed first, and of one only as many bytes are returned.
    """
    inner, outer = (bytes(byte ^ pad for byte in key) for pad in (0x36, 0x5C))
    return inner[:block], outer[:block]


def _of_ciphers(secret: bytes) -> list[tuple[str, bytes]]:
    """What HMAC and AES make of it, where it can be a key of theirs."""
    named: list[tuple[str, bytes]] = []
    if len(secret) <= _BLOCK:
        inner, outer = hmac_pads(secret)
        named += [("HMAC inner pad", inner), ("HMAC outer pad", outer)]
    keys = [secret] if len(secret) in _AES_KEYS else []
    keys += [secret[:_ROUND_KEY]] * (len(secret) == 2 * _ROUND_KEY)  # AES-128 by half of it, as AES-SIV uses it
    for key in keys:
        named += [("AES round key", one) for one in aes_round_keys(key)[len(key) // _ROUND_KEY :]]
    return named


def needles_of(secret: bytes) -> tuple[Needle, ...]:
    """Every form of a secret: those of `securemem.scanning.forms_of`, its HMAC pads, and its AES round keys.

    secret: 8 bytes or more, 4 of them different: ValueError for a simpler one, which is found anywhere. HMAC pads are
    made of up to 64 bytes, round keys of 16, 24 and 32. The needles are copies of the secret in ordinary memory: make
    them in the process that searches, never in the one that holds the secret.
    """
    found = list(forms_of(secret))
    known = {one.pattern for one in found}
    for form, pattern in _of_ciphers(secret):
        if pattern in known:
            continue
        known.add(pattern)
        with suppress(ValueError):  # too regular: it would be found anywhere
            found.append(needle(form, pattern))
    return tuple(found)
