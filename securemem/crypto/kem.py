"""Secrets that one side makes and sends to the owner of a public key: ML-KEM (FIPS 203).

It is made to withstand quantum computers.

It needs the crypto heap, without which cryptography leaves copies of keys and secrets: each function raises
CryptoHeapError while `securemem.crypto_heap` is off, and InvalidArgumentError where this cryptography has no ML-KEM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from securemem._binding.memory import bytes_of
from securemem.crypto import _key_kinds as kinds
from securemem.exceptions import InvalidArgumentError, SizeError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena

__all__ = ["KemAlgorithm", "decapsulate", "encapsulate", "generate_kem_key", "kem_public_key"]

KemAlgorithm = Literal["ML-KEM-768", "ML-KEM-1024"]

_SHARED = 32
_CIPHERTEXTS = {"ML-KEM-768": 1088, "ML-KEM-1024": 1568}


def _chosen(algorithm: str) -> kinds.Kind:
    if not isinstance(algorithm, str):
        raise TypeError(f"an algorithm is given by its name, a str, not by {type(algorithm).__name__}")
    if algorithm not in _CIPHERTEXTS:
        raise InvalidArgumentError(
            f"algorithm {algorithm!r} does not exist: choose one of {', '.join(map(repr, _CIPHERTEXTS))}"
        )
    return kinds.kind_named(algorithm)


def generate_kem_key(algorithm: KemAlgorithm = "ML-KEM-768", *, arena: Arena | None = None) -> SecureBytes:
    """A new private key, as its seed of 64 bytes, in the given arena or the default one."""
    return kinds.generate(_chosen(algorithm), 0, arena)


def kem_public_key(algorithm: KemAlgorithm, private_key: SecureBytes) -> bytes:
    """The public key, 1,184 or 1,568 bytes. Raises SizeError for a private key that has not 64 bytes."""
    return kinds.public_bytes(_chosen(algorithm), private_key)


def encapsulate(
    algorithm: KemAlgorithm, peer_public_key: Buffer, *, arena: Arena | None = None
) -> tuple[SecureBytes, bytes]:
    """A new secret of 32 bytes, and the ciphertext (1,088 or 1,568 bytes) from which the peer gets the same one.

    cryptography gives the secret as bytes: that copy lies in the crypto heap, and is wiped before the function returns.

    Raises SizeError for a public key of another size, PeerKeyError for one that is none.
    """
    kind = _chosen(algorithm)
    peer = kinds.peer_key(kind, bytes_of(peer_public_key, "the peer's public key"))
    return kinds.in_heap(algorithm, _encapsulate, peer, arena)


def _encapsulate(_scope: Scope, peer: Any, arena: Arena | None) -> tuple[SecureBytes, bytes]:
    shared, ciphertext = peer.encapsulate()
    return SecureBytes.copy_of(shared, arena=arena), ciphertext


def decapsulate(
    algorithm: KemAlgorithm, private_key: SecureBytes, ciphertext: Buffer, *, arena: Arena | None = None
) -> SecureBytes:
    """The secret of 32 bytes that was sent: for a ciphertext that was changed, another one, as FIPS 203 has it.

    Raises SizeError for a private key or ciphertext of another size.
    """
    kind = _chosen(algorithm)
    kinds.check_private(kind, private_key)
    sent = bytes_of(ciphertext, "the ciphertext")
    if len(sent) != _CIPHERTEXTS[algorithm]:
        raise SizeError(f"a ciphertext of {algorithm} has {_CIPHERTEXTS[algorithm]} bytes, not {len(sent)}")
    return kinds.in_heap(algorithm, _decapsulate, kind, private_key, sent, arena)


def _decapsulate(scope: Scope, kind: kinds.Kind, secret: SecureBytes, sent: bytes, arena: Arena | None) -> SecureBytes:
    result = SecureBytes.zeros(_SHARED, arena=arena)
    own, out = kinds.private_key(scope, kind, secret), scope.write(result, "the result")
    scope.receive(out, own.decapsulate, sent)
    return result
