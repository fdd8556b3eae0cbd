"""Keys from secrets: HKDF from keys and shared secrets, PBKDF2 and scrypt from passwords. Argon2id is in `argon2`.

Inputs are read in place, results are written into a SecureBytes. Every function raises WipedError or ForkedError when
the secret cannot be read, TypeError for an argument of another type, SourceError for a buffer in pieces, SizeError for
a length that the function cannot give, and InvalidArgumentError for another hash or a cost out of its bounds, all
before anything is computed. A function that fails leaves nothing of the secret or the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from securemem._binding.memory import bytes_of
from securemem._binding.operations import operate
from securemem.crypto._workspace import DEEP, DEPTH, check_integer, check_length, check_secret
from securemem.crypto.mac import HashName, hash_named
from securemem.exceptions import InvalidArgumentError, SizeError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm
    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena

__all__ = ["hkdf", "hkdf_expand", "hkdf_extract", "pbkdf2", "scrypt"]

_MOST_BLOCKS = 255  # RFC 5869, 2.3
_NUMBERS = [bytes((number,)) for number in range(_MOST_BLOCKS + 1)]
_MOST_ITERATIONS = 2**31 - 1
_MOST_MEMORY = 2**32  # bytes that scrypt may take; a wrong n would take all there are


def _extract(scope: Scope, chosen: HashAlgorithm, salt: bytes, key_material: SecureBytes, out: memoryview) -> None:
    """HKDF-Extract."""
    context = HMAC(salt, chosen)
    context.update(scope.read(key_material, "the key material"))
    scope.receive(out, context.finalize)


def _expand(scope: Scope, chosen: HashAlgorithm, prk: memoryview, info: bytes, out: memoryview) -> None:
    """HKDF-Expand by HMAC, since cryptography's own keeps a copy of what it derives. The last block may be cut."""
    size, length = chosen.digest_size, len(out)
    for number, at in enumerate(range(0, length, size), 1):
        context = HMAC(prk, chosen)
        if at > 0:
            context.update(out[at - size : at])
        context.update(info + _NUMBERS[number])
        scope.receive(out[at : at + size] if length > size else out, context.finalize)


def _checked_length(chosen: HashAlgorithm, length: int) -> None:
    most = _MOST_BLOCKS * chosen.digest_size
    if not 0 < check_integer(length, "the length") <= most:
        raise SizeError(f"HKDF with {chosen.name} gives from 1 to {most} bytes")


def hkdf(
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
    return operate(DEPTH, _hkdf, chosen, bytes_of(salt, "salt"), key_material, bytes_of(info, "info"), length, arena)


def _hkdf(
    scope: Scope,
    chosen: HashAlgorithm,
    salt: bytes,
    key_material: SecureBytes,
    info: bytes,
    length: int,
    arena: Arena | None,
) -> SecureBytes:
    result = SecureBytes.zeros(length, arena=arena)
    prk = scope.scratch(chosen.digest_size)
    _extract(scope, chosen, salt, key_material, prk)
    _expand(scope, chosen, prk, info, scope.write(result, "the result"))
    return result


def hkdf_extract(
    key_material: SecureBytes, *, salt: Buffer = b"", algorithm: HashName = "SHA-256", arena: Arena | None = None
) -> SecureBytes:
    """HKDF's first half: a pseudorandom key of the hash's size, for hkdf_expand()."""
    chosen = hash_named(algorithm)
    check_secret(key_material, "the key material")
    return operate(DEPTH, _hkdf_extract, chosen, bytes_of(salt, "salt"), key_material, arena)


def _hkdf_extract(
    scope: Scope, chosen: HashAlgorithm, salt: bytes, key_material: SecureBytes, arena: Arena | None
) -> SecureBytes:
    result = SecureBytes.zeros(chosen.digest_size, arena=arena)
    _extract(scope, chosen, salt, key_material, scope.write(result, "the result"))
    return result


def hkdf_expand(
    prk: SecureBytes, length: int, *, info: Buffer = b"", algorithm: HashName = "SHA-256", arena: Arena | None = None
) -> SecureBytes:
    """HKDF's second half: length bytes from a pseudorandom key that is at least as long as the hash."""
    chosen = hash_named(algorithm)
    check_secret(prk, "the pseudorandom key", range(chosen.digest_size, 2**31))
    _checked_length(chosen, length)
    return operate(DEPTH, _hkdf_expand, chosen, prk, bytes_of(info, "info"), length, arena)


def _hkdf_expand(
    scope: Scope, chosen: HashAlgorithm, prk: SecureBytes, info: bytes, length: int, arena: Arena | None
) -> SecureBytes:
    result = SecureBytes.zeros(length, arena=arena)
    _expand(scope, chosen, scope.read(prk, "the pseudorandom key"), info, scope.write(result, "the result"))
    return result


def pbkdf2(
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
    if not 0 < check_integer(iterations, "iterations") <= _MOST_ITERATIONS:
        raise InvalidArgumentError(f"iterations must be from 1 to {_MOST_ITERATIONS}")
    function = PBKDF2HMAC(chosen, check_length(length), bytes_of(salt, "salt"), iterations)
    return operate(DEEP, _from_password, function, password, length, arena)


def scrypt(
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
    for value, name in ((n, "n"), (r, "r"), (p, "p")):
        check_integer(value, name)
    if not (n > 1 and n & (n - 1) == 0 and r > 0 and p > 0 and r * p < 2**30 and 128 * n * r <= _MOST_MEMORY):
        raise InvalidArgumentError(
            "n must be a power of two from 2 on, r and p from 1 on, r * p below 2**30, and the "
            f"memory of 128 * n * r bytes at most {_MOST_MEMORY}"
        )
    function = Scrypt(bytes_of(salt, "salt"), check_length(length), n, r, p)
    return operate(DEEP, _from_password, function, password, length, arena)


def _from_password(
    scope: Scope, function: PBKDF2HMAC | Scrypt, password: SecureBytes, length: int, arena: Arena | None
) -> SecureBytes:
    result = SecureBytes.zeros(length, arena=arena)
    function.derive_into(scope.read(password, "the password"), scope.write(result, "the result"))
    return result
