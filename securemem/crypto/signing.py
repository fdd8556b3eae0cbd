"""Signatures with a private key in locked memory.

Ed25519 (RFC 8032) has functions of its own, which need nothing. For the others, cryptography leaves copies of keys
that only the crypto heap clears: they raise CryptoHeapError while `securemem.crypto_heap` is off.

- "Ed25519", "Ed448" (RFC 8032): private and public keys of 32 and 57 bytes, signatures of 64 and 114.
- "ECDSA-P-256" with SHA-256, "ECDSA-P-384" with SHA-384 (FIPS 186-5): the scalar, 32 and 48 bytes; the uncompressed
  point, 65 and 97; DER, up to 72 and 104.
- "RSA-PSS" with SHA-256, MGF1 and 32 bytes of salt (RFC 8017): PKCS #8 in DER; SubjectPublicKeyInfo in DER; as long as
  the modulus.
- "ML-DSA-44", "ML-DSA-65", "ML-DSA-87" (FIPS 204): the seed, 32 bytes; 1,312, 1,952 and 2,592; 2,420, 3,309 and 4,627.

ML-DSA needs a cryptography, and an OpenSSL inside it, that has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from securemem._binding.memory import bytes_of
from securemem._binding.operations import operate
from securemem.crypto import _key_kinds as kinds
from securemem.crypto._workspace import DEEP, check_secret
from securemem.exceptions import InvalidArgumentError, SizeError, VerificationError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena

__all__ = [
    "SigningAlgorithm",
    "ed25519_generate",
    "ed25519_public_key",
    "ed25519_sign",
    "ed25519_verify",
    "generate_signing_key",
    "sign",
    "signing_public_key",
    "verify_signature",
]

SigningAlgorithm = Literal[
    "Ed25519", "Ed448", "ECDSA-P-256", "ECDSA-P-384", "RSA-PSS", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"
]

_SIZE = 32
# The kind of key of each algorithm, and what sign() and verify_signature() take besides the message and the signature.
_SHA = hashes.SHA256()
_PSS = (padding.PSS(padding.MGF1(_SHA), _SHA.digest_size), _SHA)
_ALGORITHMS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "Ed25519": ("Ed25519", ()),
    "Ed448": ("Ed448", ()),
    "ECDSA-P-256": ("P-256", (ec.ECDSA(hashes.SHA256()),)),
    "ECDSA-P-384": ("P-384", (ec.ECDSA(hashes.SHA384()),)),
    "RSA-PSS": ("RSA", _PSS),
    "ML-DSA-44": ("ML-DSA-44", ()),
    "ML-DSA-65": ("ML-DSA-65", ()),
    "ML-DSA-87": ("ML-DSA-87", ()),
}


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


def _chosen(algorithm: str) -> tuple[kinds.Kind, tuple[Any, ...]]:
    if not isinstance(algorithm, str):
        raise TypeError(f"an algorithm is given by its name, a str, not by {type(algorithm).__name__}")
    if algorithm not in _ALGORITHMS:
        raise InvalidArgumentError(
            f"algorithm {algorithm!r} does not exist: choose one of {', '.join(map(repr, _ALGORITHMS))}"
        )
    name, extra = _ALGORITHMS[algorithm]
    return kinds.kind_named(name), extra


def generate_signing_key(algorithm: SigningAlgorithm, *, bits: int = 3072, arena: Arena | None = None) -> SecureBytes:
    """A new private key, in the given arena or the default one. bits: of the modulus of RSA-PSS, 2,048 to 8,192.

    Raises CryptoHeapError where the algorithm needs the crypto heap and that is off, SizeError for other bits,
    InvalidArgumentError for an algorithm that does not exist, or not in this cryptography.
    """
    return kinds.generate(_chosen(algorithm)[0], bits, arena)


def signing_public_key(algorithm: SigningAlgorithm, private_key: SecureBytes) -> bytes:
    """The public key; the module's list has its form.

    Raises SizeError for a private key of another size, InvalidArgumentError for bytes that are none, and as
    generate_signing_key().
    """
    if algorithm == "Ed25519":
        return ed25519_public_key(private_key)
    return kinds.public_bytes(_chosen(algorithm)[0], private_key)


def sign(algorithm: SigningAlgorithm, private_key: SecureBytes, message: Buffer) -> bytes:
    """The signature, which is no secret; the message is read in place.

    Raises as signing_public_key(), and TypeError for a message that is not bytes-like, SourceError for one in pieces.
    """
    if algorithm == "Ed25519":
        return ed25519_sign(private_key, message)
    kind, extra = _chosen(algorithm)
    kinds.check_private(kind, private_key)
    return kinds.in_heap(algorithm, _sign, kind, extra, private_key, message)


def _sign(scope: Scope, kind: kinds.Kind, extra: tuple[Any, ...], secret: SecureBytes, message: Buffer) -> bytes:
    signer = kinds.private_key(scope, kind, secret)
    return bytes(signer.sign(scope.read(message, "the message"), *extra))


def verify_signature(algorithm: SigningAlgorithm, public_key: Buffer, message: Buffer, signature: Buffer) -> None:
    """Check a signature; it needs no crypto heap.

    Raises VerificationError when it is not that of the message, SizeError for a public key of another size,
    PeerKeyError for bytes that are none, InvalidArgumentError for an algorithm that does not exist.
    """
    kind, extra = _chosen(algorithm)
    key = kinds.peer_key(kind, bytes_of(public_key, "the public key"))
    if not operate(DEEP, _fits, key, extra, message, signature):
        raise VerificationError("the signature does not fit the message and the key")


def _fits(scope: Scope, key: Any, extra: tuple[Any, ...], message: Buffer, signature: Buffer) -> bool:
    code, signed = scope.read(signature, "the signature"), scope.read(message, "the message")
    try:
        key.verify(code, signed, *extra)
    except InvalidSignature:
        return False
    return True
