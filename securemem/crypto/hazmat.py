"""Authenticated encryption under a nonce of the caller: for test vectors, and protocols that say what the nonce is.

A nonce used twice under one key gives plaintexts away, and for GCM the means to forge. Use `aead` unless a protocol
leaves no choice. Nothing else in securemem imports this module. Algorithms, clearing and exceptions are those of
`aead.Key`; messages are not counted. A nonce of another size than the algorithm's is a SizeError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem.crypto._ciphers import (
    Algorithm,
    AlgorithmName,
    algorithm_named,
    check_key,
    open_into,
    plaintext_size,
    seal,
    seal_into,
)
from securemem.crypto._workspace import bytes_view, copy_result, writable_view
from securemem.exceptions import SizeError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.secure_bytes import SecureBytes

__all__ = ["decrypt", "decrypt_into", "encrypt", "encrypt_into"]


def _checked(name: AlgorithmName, key: SecureBytes, nonce: Buffer) -> tuple[Algorithm, bytes]:
    algorithm = algorithm_named(name)
    check_key(algorithm, key)
    plain = bytes(bytes_view(nonce, "nonce"))
    if len(plain) != algorithm.nonce_size:
        raise SizeError(f"the nonce has {len(plain)} bytes: {name} takes {algorithm.nonce_size}")
    return algorithm, plain


def encrypt(algorithm: AlgorithmName, key: SecureBytes, nonce: Buffer, data: Buffer, aad: Buffer = b"") -> bytes:
    """The ciphertext without the nonce: encrypted bytes, tag, and commitment where the algorithm has one."""
    chosen, plain = _checked(algorithm, key, nonce)
    return seal(chosen, key, plain, data, aad)


def encrypt_into(  # noqa: PLR0913, PLR0917 - what an AEAD takes
    algorithm: AlgorithmName, key: SecureBytes, nonce: Buffer, data: Buffer, out: Buffer, aad: Buffer = b""
) -> None:
    """The same into a writable buffer of exactly that size; SizeError for another."""
    chosen, plain = _checked(algorithm, key, nonce)
    source = bytes_view(data, "data")
    seal_into(chosen, key, plain, source, aad, writable_view(out, "out", source.nbytes + chosen.overhead))


def decrypt(  # noqa: PLR0913 - what an AEAD takes
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
    sealed = bytes_view(ciphertext, "ciphertext")
    size = plaintext_size(sealed.nbytes - chosen.overhead)
    if size == 0:
        open_into(chosen, key, plain, sealed, aad, memoryview(bytearray()))  # a cut one is no more than not authentic
    plaintext, view = copy_result(size, arena)
    open_into(chosen, key, plain, sealed, aad, view)
    return plaintext


def decrypt_into(  # noqa: PLR0913, PLR0917 - what an AEAD takes
    algorithm: AlgorithmName, key: SecureBytes, nonce: Buffer, ciphertext: Buffer, out: Buffer, aad: Buffer = b""
) -> None:
    """The same into a writable buffer of exactly the plaintext's size, which is wiped when it is not authentic."""
    chosen, plain = _checked(algorithm, key, nonce)
    sealed = bytes_view(ciphertext, "ciphertext")
    target = writable_view(out, "out", plaintext_size(sealed.nbytes - chosen.overhead))
    open_into(chosen, key, plain, sealed, aad, target)
