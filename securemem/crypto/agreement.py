"""Secrets agreed with a peer, from a private key in locked memory: X25519 (RFC 7748).

P-256 and ML-KEM are not here yet: what cryptography does with their keys leaves copies that nothing clears.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from securemem._binding.memory import bytes_of
from securemem._binding.operations import operate
from securemem.crypto._workspace import DEEP, check_secret
from securemem.exceptions import PeerKeyError, SizeError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena

__all__ = ["x25519_exchange", "x25519_generate", "x25519_public_key"]

_SIZE = 32


def x25519_generate(*, arena: Arena | None = None) -> SecureBytes:
    """A new private key: 32 random bytes, in the given arena or the default one."""
    return SecureBytes.random(_SIZE, arena=arena)


def x25519_public_key(private_key: SecureBytes) -> bytes:
    """The public key, 32 bytes. Raises SizeError for a private key that has not 32 bytes."""
    check_secret(private_key, "an X25519 private key", (_SIZE,))
    return operate(DEEP, _public, private_key)


def _public(scope: Scope, private_key: SecureBytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(scope.read(private_key, "the key")).public_key().public_bytes_raw()


def x25519_exchange(private_key: SecureBytes, peer_public_key: Buffer, *, arena: Arena | None = None) -> SecureBytes:
    """The shared secret, 32 bytes, in the given arena or the default one; derive keys from it with kdf.hkdf().

    cryptography gives it as bytes, which are zeroed where they lie as soon as they are copied.

    Raises SizeError for keys that have not 32 bytes, PeerKeyError for a public key of low order, and WipedError or
    ForkedError when the private key cannot be read, TypeError for another type.
    """
    check_secret(private_key, "an X25519 private key", (_SIZE,))
    public = bytes_of(peer_public_key, "the peer's public key")
    if len(public) != _SIZE:
        raise SizeError(f"an X25519 public key has {_SIZE} bytes, not {len(public)}")
    result = operate(DEEP, _exchange, private_key, public, arena)
    if result is None:
        raise PeerKeyError(
            "the peer's public key is of low order: nothing secret can be agreed with it; refuse the peer"
        )
    return result


def _exchange(scope: Scope, private_key: SecureBytes, public: bytes, arena: Arena | None) -> SecureBytes | None:
    result = SecureBytes.zeros(_SIZE, arena=arena)
    out, view = scope.write(result, "the result"), scope.read(private_key, "the key")
    try:
        scope.receive(
            out, X25519PrivateKey.from_private_bytes(view).exchange, X25519PublicKey.from_public_bytes(public)
        )
    except ValueError:  # OpenSSL found the result to be zero
        return None
    return result
