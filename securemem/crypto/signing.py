"""Signatures with a private key in locked memory: Ed25519 (RFC 8032).

ECDSA, RSA and ML-DSA are not here yet: what cryptography does with their keys leaves copies that nothing clears.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from securemem._binding.memory import bytes_of
from securemem._binding.operations import operate
from securemem.crypto._workspace import DEEP, check_secret
from securemem.exceptions import SizeError, VerificationError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena

__all__ = ["ed25519_generate", "ed25519_public_key", "ed25519_sign", "ed25519_verify"]

_SIZE = 32


def ed25519_generate(*, arena: Arena | None = None) -> SecureBytes:
    """A new private key: 32 random bytes, in the given arena or the default one."""
    return SecureBytes.random(_SIZE, arena=arena)


def ed25519_public_key(private_key: SecureBytes) -> bytes:
    """The public key, 32 bytes. Raises SizeError for a private key that has not 32 bytes."""
    check_secret(private_key, "an Ed25519 private key", (_SIZE,))
    return operate(DEEP, _public, private_key)


def _public(scope: Scope, private_key: SecureBytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(scope.read(private_key, "the key")).public_key().public_bytes_raw()


def ed25519_sign(private_key: SecureBytes, message: Buffer) -> bytes:
    """The signature, 64 bytes, which is no secret; the message is read in place.

    Raises SizeError for a private key that has not 32 bytes, WipedError or ForkedError when it cannot be read,
    TypeError for a message that is not bytes-like, SourceError for one in pieces.
    """
    check_secret(private_key, "an Ed25519 private key", (_SIZE,))
    return operate(DEEP, _signature, private_key, message)


def _signature(scope: Scope, private_key: SecureBytes, message: Buffer) -> bytes:
    signer = Ed25519PrivateKey.from_private_bytes(scope.read(private_key, "the key"))
    return signer.sign(scope.read(message, "the message"))


def ed25519_verify(public_key: Buffer, message: Buffer, signature: Buffer) -> None:
    """Check a signature; VerificationError when it is not that of the message. SizeError for a key of another size."""
    public = bytes_of(public_key, "the public key")
    if len(public) != _SIZE:
        raise SizeError(f"an Ed25519 public key has {_SIZE} bytes, not {len(public)}")
    if not operate(DEEP, _is_signature, public, message, signature):
        raise VerificationError("the signature does not fit the message and the key")


def _is_signature(scope: Scope, public: bytes, message: Buffer, signature: Buffer) -> bool:
    code, signed = scope.read(signature, "the signature"), scope.read(message, "the message")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(code, signed)
    except InvalidSignature:
        return False
    return True
