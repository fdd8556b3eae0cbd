"""What ciphers make of a key and keep in memory: AES round keys (FIPS 197) and HMAC pads (RFC 2104)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem.scanning import forms_of, needle

if TYPE_CHECKING:
    from securemem.scanning import Needle


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
    """The round keys of AES-128 or AES-256, 16 bytes each, the key itself first."""
    box = _substitutions()
    size = len(key) // 4
    words = [key[at : at + 4] for at in range(0, len(key), 4)]
    constant = 1
    for at in range(size, 4 * (size + 7)):
        word = words[-1]
        if at % size == 0:
            word = (word[1:] + word[:1]).translate(box)
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = _double(constant)
        elif size == 8 and at % size == 4:
            word = word.translate(box)
        words.append(bytes(a ^ b for a, b in zip(words[at - size], word, strict=True)))
    return [b"".join(words[at : at + 4]) for at in range(0, len(words), 4)]


def hmac_pads(key: bytes, block: int = 64) -> tuple[bytes, bytes]:
    """The key as HMAC-SHA-256 feeds it to the hash: its bytes exored with the inner and the outer pad."""
    inner, outer = (bytes(byte ^ pad for byte in key) for pad in (0x36, 0x5C))
    return inner[:block], outer[:block]


def every_form_of(key: bytes) -> tuple[Needle, ...]:
    """The forms that the scanner knows, and of a 16- or 32-byte key its HMAC pads and AES round keys."""
    forms = forms_of(key)
    if len(key) not in {16, 32}:
        return forms
    inner, outer = hmac_pads(key)
    pads = (needle("HMAC inner pad", inner), needle("HMAC outer pad", outer))
    rounds = aes_round_keys(key[:16])[1:]
    if len(key) == 32:
        rounds += aes_round_keys(key)[2:]
    return (*forms, *pads, *(needle("AES round key", one) for one in rounds))
