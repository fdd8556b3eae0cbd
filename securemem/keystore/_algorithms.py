"""What keys can be made for: the algorithms by their standard names, their numbers in boxes, and their sizes."""

from __future__ import annotations

from typing import Literal

from securemem._frozen import Frozen
from securemem.crypto import agreement, signing
from securemem.crypto._ciphers import ALGORITHMS as CIPHERS
from securemem.crypto._ciphers import Algorithm as Cipher
from securemem.exceptions import InvalidArgumentError
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem.arenas import Arena
    from securemem.crypto.agreement import AgreementAlgorithm
    from securemem.crypto.mac import HashName
    from securemem.crypto.signing import SigningAlgorithm

__all__ = ["UNBOUNDED", "KeyAlgorithm", "KeyAlgorithmName", "Purpose", "algorithm_numbered", "key_algorithm"]

Purpose = Literal["encryption", "wrapping", "authentication", "signing", "agreement", "derivation"]
KeyAlgorithmName = Literal[
    "KC-XAES-256-GCM",
    "XAES-256-GCM",
    "AES-256-GCM",
    "AES-128-GCM",
    "AES-256-GCM-SIV",
    "ChaCha20-Poly1305",
    "HMAC-SHA-256",
    "HMAC-SHA-384",
    "HMAC-SHA-512",
    "Ed25519",
    "X25519",
    "HKDF-SHA-256",
    "AES-256-SIV",
    "Ed448",
    "ECDSA-P-256",
    "ECDSA-P-384",
    "RSA-PSS",
    "ML-DSA-44",
    "ML-DSA-65",
    "ML-DSA-87",
    "X448",
    "ECDH-P-256",
    "ECDH-P-384",
]

UNBOUNDED = 2**62


class KeyAlgorithm(Frozen):
    """One algorithm that a key is for. Sizes in bytes.

    number: what stands for it in boxes; never given to another one.
    purposes: what its keys may be for, the usual purpose first; a key has one.
    size: of a generated key. least, most: of an imported one.
    most_messages: how many one key may protect, by the algorithm's own limits.
    cipher, hash_name, public_key: what it is made of.
    generate: makes a key, where one is more than random bytes; such keys are not derived.
    """

    name: KeyAlgorithmName
    number: int
    purposes: tuple[Purpose, ...]
    size: int
    least: int
    most: int
    most_messages: int = UNBOUNDED
    cipher: Cipher | None = None
    hash_name: HashName | None = None
    public_key: Callable[[SecureBytes], bytes] | None = None
    generate: Callable[[Arena | None], SecureBytes] | None = None

    def new_key(self, arena: Arena | None) -> SecureBytes:
        """A new random key; CryptoHeapError where the algorithm needs the crypto heap and that is off."""
        if self.generate is not None:
            return self.generate(arena)
        return SecureBytes.random(self.size, arena=arena)


def _aead(number: int, name: KeyAlgorithmName) -> KeyAlgorithm:
    cipher = CIPHERS[name]
    size = cipher.key_size
    return KeyAlgorithm(name, number, ("encryption", "wrapping"), size, size, size, cipher.most_messages, cipher)


def _hmac(number: int, name: KeyAlgorithmName, size: int, hash_name: HashName) -> KeyAlgorithm:
    return KeyAlgorithm(name, number, ("authentication",), size, 16, 4096, hash_name=hash_name)


def _signing(number: int, name: SigningAlgorithm, size: int, most: int = 0) -> KeyAlgorithm:
    def public_key(secret: SecureBytes) -> bytes:
        return signing.signing_public_key(name, secret)

    def generate(arena: Arena | None) -> SecureBytes:
        return signing.generate_signing_key(name, arena=arena)

    return KeyAlgorithm(name, number, ("signing",), size, size, most or size, public_key=public_key, generate=generate)


def _agreement(number: int, name: AgreementAlgorithm, size: int) -> KeyAlgorithm:
    def public_key(secret: SecureBytes) -> bytes:
        return agreement.agreement_public_key(name, secret)

    def generate(arena: Arena | None) -> SecureBytes:
        return agreement.generate_agreement_key(name, arena=arena)

    return KeyAlgorithm(name, number, ("agreement",), size, size, size, public_key=public_key, generate=generate)


# Of a private key of RSA, as PKCS #8 in DER: 2,048 to 8,192 bits.
_LEAST_RSA, _MOST_RSA = 1024, 8192

_ALGORITHMS: dict[str, KeyAlgorithm] = {
    one.name: one
    for one in (
        _aead(1, "KC-XAES-256-GCM"),
        _aead(2, "XAES-256-GCM"),
        _aead(3, "AES-256-GCM"),
        _aead(4, "AES-128-GCM"),
        _aead(5, "AES-256-GCM-SIV"),
        _aead(6, "ChaCha20-Poly1305"),
        _hmac(16, "HMAC-SHA-256", 32, "SHA-256"),
        _hmac(17, "HMAC-SHA-384", 48, "SHA-384"),
        _hmac(18, "HMAC-SHA-512", 64, "SHA-512"),
        KeyAlgorithm("Ed25519", 32, ("signing",), 32, 32, 32, public_key=signing.ed25519_public_key),
        KeyAlgorithm("X25519", 48, ("agreement",), 32, 32, 32, public_key=agreement.x25519_public_key),
        KeyAlgorithm("HKDF-SHA-256", 64, ("derivation",), 32, 16, 4096),
        _aead(7, "AES-256-SIV"),
        _signing(33, "Ed448", 57),
        _signing(34, "ECDSA-P-256", 32),
        _signing(35, "ECDSA-P-384", 48),
        _signing(36, "RSA-PSS", _LEAST_RSA, _MOST_RSA),
        _signing(37, "ML-DSA-44", 32),
        _signing(38, "ML-DSA-65", 32),
        _signing(39, "ML-DSA-87", 32),
        _agreement(49, "X448", 56),
        _agreement(50, "ECDH-P-256", 32),
        _agreement(51, "ECDH-P-384", 48),
    )
}
_BY_NUMBER = {one.number: one for one in _ALGORITHMS.values()}


def key_algorithm(name: str) -> KeyAlgorithm:
    """The algorithm of that name; InvalidArgumentError where there is none, TypeError for what is no name."""
    if not isinstance(name, str):
        raise TypeError(f"an algorithm is given by its name, a str, not by {type(name).__name__}")
    if name not in _ALGORITHMS:
        raise InvalidArgumentError(
            f"algorithm {name!r} does not exist: choose one of {', '.join(map(repr, _ALGORITHMS))}"
        )
    return _ALGORITHMS[name]


def algorithm_numbered(number: int) -> KeyAlgorithm | None:
    """The algorithm of that number in a box, if there is one."""
    return _BY_NUMBER.get(number)
