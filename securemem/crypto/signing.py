"""Signatures with a private key in locked memory: Ed25519 (RFC 8032).

ECDSA, RSA and ML-DSA are not here yet: what cryptography does with their keys leaves copies that nothing clears.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from securemem.crypto._workspace import DEEP, bytes_view, check_secret, scrub
from securemem.exceptions import SizeError, VerificationError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem.arenas import Arena

__all__ = ["ed25519_generate", "ed25519_public_key", "ed25519_sign", "ed25519_verify"]

_SIZE = 32


def ed25519_generate(*, arena: Arena | None = None) -> SecureBytes:
    """A new private key: 32 random bytes, in the given arena or the default one."""
    return SecureBytes.random(_SIZE, arena=arena)


def ed25519_public_key(private_key: SecureBytes) -> bytes:
    """The public key, 32 bytes. Raises SizeError for a private key that has not 32 bytes."""
    check_secret(private_key, "an Ed25519 private key", (_SIZE,))
    view = memoryview(private_key)
    try:
        return Ed25519PrivateKey.from_private_bytes(view).public_key().public_bytes_raw()
    finally:
        view.release()
        scrub(DEEP)


def ed25519_sign(private_key: SecureBytes, message: Buffer) -> bytes:
    """The signature, 64 bytes, which is no secret; the message is read in place.

    Raises SizeError for a private key that has not 32 bytes, WipedError, ForkedError or TypeError when it cannot be
    read.
    """
    check_secret(private_key, "an Ed25519 private key", (_SIZE,))
    view = memoryview(private_key)
    try:
        return Ed25519PrivateKey.from_private_bytes(view).sign(memoryview(message))
    finally:
        view.release()
        scrub(DEEP)


def ed25519_verify(public_key: Buffer, message: Buffer, signature: Buffer) -> None:
    """Check a signature; VerificationError when it is not that of the message. SizeError for a key of another size."""
    public = bytes(bytes_view(public_key, "the public key"))
    if len(public) != _SIZE:
        raise SizeError(f"an Ed25519 public key has {_SIZE} bytes, not {len(public)}")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(memoryview(signature), memoryview(message))
    except InvalidSignature:
        valid = False
    else:
        valid = True
    if not valid:
        raise VerificationError("the signature does not fit the message and the key")
