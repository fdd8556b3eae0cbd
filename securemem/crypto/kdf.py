"""Keys from secrets: HKDF from keys and shared secrets, PBKDF2 and scrypt from passwords. Argon2id is in `argon2`.

Inputs are read in place, results are written into a SecureBytes. Every function raises WipedError, ForkedError or
TypeError when the secret cannot be read, SizeError for a length that the function cannot give, and InvalidArgumentError
for another hash or a cost out of its bounds, all before anything is computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from securemem._binding.memory import move, wipe_in_place
from securemem.crypto._workspace import DEEP, DEPTH, check_secret, copy_result, scratch, scrub
from securemem.crypto.mac import HashName, hash_named
from securemem.exceptions import InvalidArgumentError, SizeError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm
    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.secure_bytes import SecureBytes

__all__ = ["hkdf", "hkdf_expand", "hkdf_extract", "pbkdf2", "scrypt"]

_MOST_BLOCKS = 255  # RFC 5869, 2.3
_MOST_ITERATIONS = 2**31 - 1
_MOST_MEMORY = 2**32  # bytes that scrypt may take; a wrong n would take all there are


def _extract(chosen: HashAlgorithm, salt: Buffer, source: memoryview) -> bytes:
    """HKDF-Extract; the caller moves or wipes the bytes."""
    context = HMAC(salt if type(salt) is bytes else memoryview(salt), chosen)
    context.update(source)
    return context.finalize()


def _expand(chosen: HashAlgorithm, prk: memoryview | bytes, info: bytes, out: memoryview) -> None:
    """HKDF-Expand by HMAC, since cryptography's own keeps a copy of what it derives; each block is wiped once moved."""
    size = chosen.digest_size
    number, at = 1, 0
    while at < len(out):
        context = HMAC(prk, chosen)
        if at > 0:
            context.update(out[at - size : at])
        context.update(info + number.to_bytes(1, "big"))
        _place(context.finalize(), out[at : at + size])
        number, at = number + 1, at + size


def _place(block: bytes, out: memoryview) -> None:
    if len(block) == len(out):
        move(out, block)
        return
    last = memoryview(scratch(len(block)).reveal(writable=True))
    move(last, block)
    out[:] = last[: len(out)]


def _checked_length(chosen: HashAlgorithm, length: int) -> None:
    most = _MOST_BLOCKS * chosen.digest_size
    if not 0 < length <= most:
        raise SizeError(f"HKDF with {chosen.name} gives from 1 to {most} bytes, not {length}")


def hkdf(  # noqa: PLR0913 - RFC 5869's arguments
    key_material: SecureBytes,
    length: int,
    *,
    salt: Buffer = b"",
    info: Buffer = b"",
    algorithm: HashName = "SHA-256",
    arena: Arena | None = None,
) -> SecureBytes:
    """HKDF (RFC 5869): length bytes from a secret that is hard to guess, such as a key; not from a password.

    salt: random and public, or empty. info: what the key is for; different ones give independent keys.
    """
    chosen = hash_named(algorithm)
    check_secret(key_material, "the key material")
    _checked_length(chosen, length)
    result, out = copy_result(length, arena)
    source = memoryview(key_material)
    prk = None
    try:
        prk = _extract(chosen, salt, source)
        _expand(chosen, prk, info if type(info) is bytes else bytes(memoryview(info)), out)
    finally:
        source.release()
        if prk is not None:
            wipe_in_place(prk, len(prk))
        scrub(DEPTH)
    return result


def hkdf_extract(
    key_material: SecureBytes, *, salt: Buffer = b"", algorithm: HashName = "SHA-256", arena: Arena | None = None
) -> SecureBytes:
    """HKDF's first half: a pseudorandom key of the hash's size, for hkdf_expand()."""
    chosen = hash_named(algorithm)
    check_secret(key_material, "the key material")
    result, out = copy_result(chosen.digest_size, arena)
    source = memoryview(key_material)
    try:
        move(out, _extract(chosen, salt, source))
    finally:
        source.release()
        scrub(DEPTH)
    return result


def hkdf_expand(
    prk: SecureBytes, length: int, *, info: Buffer = b"", algorithm: HashName = "SHA-256", arena: Arena | None = None
) -> SecureBytes:
    """HKDF's second half: length bytes from a pseudorandom key that is at least as long as the hash."""
    chosen = hash_named(algorithm)
    check_secret(prk, "the pseudorandom key", range(chosen.digest_size, 2**31))
    _checked_length(chosen, length)
    result, out = copy_result(length, arena)
    source = memoryview(prk)
    try:
        _expand(chosen, source, info if type(info) is bytes else bytes(memoryview(info)), out)
    finally:
        source.release()
        scrub(DEPTH)
    return result


def pbkdf2(  # noqa: PLR0913 - RFC 8018's arguments
    password: SecureBytes,
    salt: Buffer,
    length: int,
    *,
    iterations: int,
    algorithm: HashName = "SHA-256",
    arena: Arena | None = None,
) -> SecureBytes:
    """PBKDF2 with HMAC (RFC 8018): length bytes from a password; for protocols that ask for it, Argon2id is better.

    salt: random and public, 16 bytes or more are usual. iterations: from 1 to 2**31 - 1; 600,000 or more are usual.
    """
    chosen = hash_named(algorithm)
    check_secret(password, "the password")
    if not 0 < iterations <= _MOST_ITERATIONS:
        raise InvalidArgumentError(f"iterations={iterations} must be from 1 to {_MOST_ITERATIONS}")
    function = PBKDF2HMAC(chosen, check_length(length), bytes(memoryview(salt)), iterations)
    return _from_password(function, password, length, arena)


def scrypt(  # noqa: PLR0913 - RFC 7914's arguments
    password: SecureBytes,
    salt: Buffer,
    length: int,
    *,
    n: int = 2**17,
    r: int = 8,
    p: int = 1,
    arena: Arena | None = None,
) -> SecureBytes:
    """Derive by scrypt (RFC 7914): length bytes from a password, with 128 * n * r bytes of memory, 4 GiB at most.

    n: a power of two from 2 on. r, p: from 1 on, r * p below 2**30. The memory is OpenSSL's, not locked, and zeroed.
    """
    check_secret(password, "the password")
    if not (n > 1 and n & (n - 1) == 0 and r > 0 and p > 0 and r * p < 2**30 and 128 * n * r <= _MOST_MEMORY):
        raise InvalidArgumentError(
            f"n={n}, r={r}, p={p}: n must be a power of two from 2 on, r and p from 1 on, r * p below 2**30, and the "
            f"memory of 128 * n * r bytes at most {_MOST_MEMORY}"
        )
    function = Scrypt(bytes(memoryview(salt)), check_length(length), n, r, p)
    return _from_password(function, password, length, arena)


def check_length(length: int) -> int:
    """The length of a derived key in bytes; SizeError unless it is from 1 to 2**20."""
    most = 2**20
    if not 0 < length <= most:
        raise SizeError(f"a key of 1 to {most} bytes can be derived, not of {length}")
    return length


def _from_password(
    function: PBKDF2HMAC | Scrypt, password: SecureBytes, length: int, arena: Arena | None
) -> SecureBytes:
    result, out = copy_result(length, arena)
    source = memoryview(password)
    try:
        function.derive_into(source, out)
    finally:
        source.release()
        scrub(DEEP)
    return result
