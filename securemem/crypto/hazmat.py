"""Authenticated encryption under a nonce of the caller: for test vectors, and protocols that say what the nonce is.

A nonce used twice under one key gives plaintexts away, and for GCM the means to forge. Use `aead` unless a protocol
leaves no choice. Nothing else in securemem imports this module. Algorithms, clearing and exceptions are those of
`aead.Key`; messages are not counted. A nonce of another size than the algorithm's is a SizeError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem._binding.memory import bytes_of
from securemem.crypto._ciphers import Algorithm, AlgorithmName, algorithm_named, check_key
from securemem.exceptions import SizeError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.secure_bytes import SecureBytes

__all__ = ["decrypt", "decrypt_into", "encrypt", "encrypt_into"]


def _checked(name: AlgorithmName, key: SecureBytes, nonce: Buffer) -> tuple[Algorithm, bytes]:
    algorithm = algorithm_named(name)
    check_key(algorithm, key)
    plain = bytes_of(nonce, "nonce")
    if len(plain) != algorithm.nonce_size:
        raise SizeError(f"the nonce has {len(plain)} bytes: {name} takes {algorithm.nonce_size}")
    return algorithm, plain


def encrypt(algorithm: AlgorithmName, key: SecureBytes, nonce: Buffer, data: Buffer, aad: Buffer = b"") -> bytes:
    """The ciphertext without the nonce: encrypted bytes, tag, and commitment where the algorithm has one."""
    chosen, plain = _checked(algorithm, key, nonce)
    return chosen.cipher.seal(key, b"", plain, data, aad)


def encrypt_into(
    algorithm: AlgorithmName, key: SecureBytes, nonce: Buffer, data: Buffer, out: Buffer, aad: Buffer = b""
) -> None:
    """Encrypt as encrypt() does, into a writable buffer of exactly that size; SizeError for another."""
    chosen, plain = _checked(algorithm, key, nonce)
    chosen.cipher.seal_into(key, b"", plain, data, aad, out)


def decrypt(
    algorithm: AlgorithmName,
    key: SecureBytes,
    nonce: Buffer,
    ciphertext: Buffer,
    aad: Buffer = b"",
    *,
    arena: Arena | None = None,
) -> SecureBytes:
    """The plaintext of what encrypt() gave; DecryptionError when it is not authentic, SizeError when it is empty."""
    chosen, plain = _checked(algorithm, key, nonce)
    return chosen.cipher.open(key, 0, plain, ciphertext, aad, arena)


def decrypt_into(
    algorithm: AlgorithmName, key: SecureBytes, nonce: Buffer, ciphertext: Buffer, out: Buffer, aad: Buffer = b""
) -> None:
    """Decrypt into a writable buffer of exactly the plaintext's size, which is wiped when it is not authentic."""
    chosen, plain = _checked(algorithm, key, nonce)
    chosen.cipher.open_into(key, 0, plain, ciphertext, aad, out)
