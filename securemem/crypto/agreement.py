"""Secrets agreed with a peer, from a private key in locked memory.

X25519 (RFC 7748) has functions of its own, which need nothing. The others need the crypto heap, without which
cryptography leaves copies of their keys: they raise CryptoHeapError while `securemem.crypto_heap` is off. ML-KEM, where
one side alone makes the secret, is in `securemem.crypto.kem`.

"X25519", "X448" (RFC 7748): private and public keys of 32 and 56 bytes. "ECDH-P-256", "ECDH-P-384" (NIST SP 800-56A):
the scalar of 32 and 48 bytes, the uncompressed point of 65 and 97.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from securemem._binding.memory import bytes_of
from securemem._binding.operations import operate
from securemem.crypto import _key_kinds as kinds
from securemem.crypto._workspace import DEEP, check_secret
from securemem.exceptions import InvalidArgumentError, PeerKeyError, SizeError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena

__all__ = [
    "AgreementAlgorithm",
    "agreement_public_key",
    "exchange",
    "generate_agreement_key",
    "x25519_exchange",
    "x25519_generate",
    "x25519_public_key",
]

AgreementAlgorithm = Literal["X25519", "X448", "ECDH-P-256", "ECDH-P-384"]

_SIZE = 32
_LOW_ORDER = "the peer's public key is of low order: nothing secret can be agreed with it; refuse the peer"
# The kind of key of each algorithm, and what exchange() takes besides the peer's key.
_ALGORITHMS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "X25519": ("X25519", ()),
    "X448": ("X448", ()),
    "ECDH-P-256": ("P-256", (ec.ECDH(),)),
    "ECDH-P-384": ("P-384", (ec.ECDH(),)),
}


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
        raise PeerKeyError(_LOW_ORDER)
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


def _chosen(algorithm: str) -> tuple[kinds.Kind, tuple[Any, ...]]:
    if not isinstance(algorithm, str):
        raise TypeError(f"an algorithm is given by its name, a str, not by {type(algorithm).__name__}")
    if algorithm not in _ALGORITHMS:
        raise InvalidArgumentError(
            f"algorithm {algorithm!r} does not exist: choose one of {', '.join(map(repr, _ALGORITHMS))}"
        )
    name, extra = _ALGORITHMS[algorithm]
    return kinds.kind_named(name), extra


def generate_agreement_key(algorithm: AgreementAlgorithm, *, arena: Arena | None = None) -> SecureBytes:
    """A new private key, in the given arena or the default one.

    Raises CryptoHeapError where the algorithm needs the crypto heap and that is off, InvalidArgumentError for one that
    does not exist.
    """
    return kinds.generate(_chosen(algorithm)[0], 0, arena)


def agreement_public_key(algorithm: AgreementAlgorithm, private_key: SecureBytes) -> bytes:
    """The public key.

    Raises SizeError for a private key of another size, InvalidArgumentError for bytes that are none, and as
    generate_agreement_key().
    """
    if algorithm == "X25519":
        return x25519_public_key(private_key)
    return kinds.public_bytes(_chosen(algorithm)[0], private_key)


def exchange(
    algorithm: AgreementAlgorithm, private_key: SecureBytes, peer_public_key: Buffer, *, arena: Arena | None = None
) -> SecureBytes:
    """The shared secret: 32, 56, 32 and 48 bytes, of curves the point's x; derive keys from it with kdf.hkdf().

    Raises as agreement_public_key(), SizeError for a public key of another size, PeerKeyError for one that is none, or
    of low order.
    """
    if algorithm == "X25519":
        return x25519_exchange(private_key, peer_public_key, arena=arena)
    kind, extra = _chosen(algorithm)
    kinds.check_private(kind, private_key)
    peer = kinds.peer_key(kind, bytes_of(peer_public_key, "the peer's public key"))
    result = kinds.in_heap(algorithm, _agree, kind, extra, private_key, peer, arena)
    if result is None:
        raise PeerKeyError(_LOW_ORDER)
    return result


def _agree(
    scope: Scope, kind: kinds.Kind, extra: tuple[Any, ...], secret: SecureBytes, peer: Any, arena: Arena | None
) -> SecureBytes | None:
    result = SecureBytes.zeros(kind.size, arena=arena)
    own, out = kinds.private_key(scope, kind, secret), scope.write(result, "the result")
    try:
        scope.receive(out, own.exchange, *extra, peer)
    except ValueError:  # OpenSSL found the result to be zero
        return None
    return result
