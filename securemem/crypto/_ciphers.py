"""The ciphers by their names, and one encryption or decryption with each, under a nonce that the caller answers for.

`aead` makes the nonces and counts them; `hazmat` is the door for those who bring their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV, ChaCha20Poly1305

from securemem._binding.memory import wipe
from securemem.crypto._workspace import DEPTH, check_secret, scrub
from securemem.crypto._xaes import KCXAES256GCM, XAES256GCM
from securemem.exceptions import DecryptionError, InvalidArgumentError, SizeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from securemem.secure_bytes import SecureBytes

__all__ = [
    "ALGORITHMS",
    "NOT_DECRYPTED",
    "TOO_LONG",
    "Algorithm",
    "AlgorithmName",
    "Cipher",
    "algorithm_named",
    "check_key",
    "open_into",
    "plaintext_size",
    "seal",
    "seal_into",
]

AlgorithmName = Literal[
    "KC-XAES-256-GCM", "XAES-256-GCM", "AES-256-GCM", "AES-128-GCM", "AES-256-GCM-SIV", "ChaCha20-Poly1305"
]

_TAG = 16
TOO_LONG = "data and associated data may have up to 2**31 - 1 bytes each: encrypt in pieces"
NOT_DECRYPTED = "the ciphertext could not be decrypted with this key and associated data"


class Cipher(Protocol):
    """What cryptography's AEAD objects have in common; they copy the key and are dropped after one operation."""

    def encrypt(self, nonce: bytes, data: memoryview, aad: bytes | memoryview, /) -> bytes:
        """The ciphertext, and what follows it."""
        ...

    def encrypt_into(self, nonce: bytes, data: memoryview, aad: bytes | memoryview, out: memoryview, /) -> object:
        """The same, into a buffer of exactly that size."""
        ...

    def decrypt_into(self, nonce: bytes, sealed: memoryview, aad: bytes | memoryview, out: memoryview, /) -> object:
        """The plaintext, into a buffer of exactly its size; InvalidTag if it is not authentic."""
        ...


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An authenticated cipher (AEAD). Sizes in bytes.

    overhead: what a ciphertext has more than its plaintext, the nonce left out.
    most_messages: how many random nonces one key allows.
    """

    name: AlgorithmName
    key_size: int
    nonce_size: int
    overhead: int
    most_messages: int
    cipher: Callable[[memoryview], Cipher]


_RANDOM_96 = 2**32  # NIST SP 800-38D, 8.3: a chance of 2**-32 that two random 96-bit nonces are equal
_RANDOM_192 = 2**62  # nobody gets there; C2SP allows 2**80

ALGORITHMS: dict[str, Algorithm] = {
    one.name: one
    for one in (
        Algorithm("KC-XAES-256-GCM", 32, 24, _TAG + KCXAES256GCM.commitment, _RANDOM_192, KCXAES256GCM),
        Algorithm("XAES-256-GCM", 32, 24, _TAG, _RANDOM_192, XAES256GCM),
        Algorithm("AES-256-GCM", 32, 12, _TAG, _RANDOM_96, AESGCM),
        Algorithm("AES-128-GCM", 16, 12, _TAG, _RANDOM_96, AESGCM),
        Algorithm("AES-256-GCM-SIV", 32, 12, _TAG, _RANDOM_96, AESGCMSIV),
        Algorithm("ChaCha20-Poly1305", 32, 12, _TAG, _RANDOM_96, ChaCha20Poly1305),
    )
}


def algorithm_named(name: str) -> Algorithm:
    """The algorithm; InvalidArgumentError where there is none of that name."""
    if name not in ALGORITHMS:
        raise InvalidArgumentError(
            f"algorithm {name!r} does not exist: choose one of {', '.join(map(repr, ALGORITHMS))}"
        )
    return ALGORITHMS[name]


def seal(algorithm: Algorithm, key: SecureBytes, nonce: bytes, data: Buffer, aad: Buffer) -> bytes:
    """Encrypt; the ciphertext and what follows it, in ordinary memory, as it is no secret."""
    view = memoryview(key)
    try:
        return algorithm.cipher(view).encrypt(nonce, memoryview(data), aad if type(aad) is bytes else memoryview(aad))
    except OverflowError:
        raise SizeError(TOO_LONG) from None
    finally:
        view.release()
        scrub(DEPTH)


def seal_into(  # noqa: PLR0913, PLR0917 - what an AEAD takes
    algorithm: Algorithm, key: SecureBytes, nonce: bytes, data: memoryview, aad: Buffer, out: memoryview
) -> None:
    """Encrypt into a buffer of exactly the size of data and the overhead."""
    view = memoryview(key)
    try:
        algorithm.cipher(view).encrypt_into(nonce, data, aad if type(aad) is bytes else memoryview(aad), out)
    except OverflowError:
        raise SizeError(TOO_LONG) from None
    finally:
        view.release()
        scrub(DEPTH)


def open_into(  # noqa: PLR0913, PLR0917 - what an AEAD takes
    algorithm: Algorithm, key: SecureBytes, nonce: bytes, sealed: memoryview, aad: Buffer, out: memoryview
) -> None:
    """Decrypt into a buffer of exactly the plaintext's size, which is wiped unless the plaintext is authentic."""
    view = memoryview(key)
    authentic = False
    try:
        algorithm.cipher(view).decrypt_into(nonce, sealed, aad if type(aad) is bytes else memoryview(aad), out)
        authentic = True
    except InvalidTag:
        pass  # raised below, where no context is chained
    except OverflowError:
        raise SizeError(TOO_LONG) from None
    finally:
        view.release()
        if not authentic:
            wipe(out)
        scrub(DEPTH)
    if not authentic:
        raise DecryptionError(NOT_DECRYPTED)


def plaintext_size(size: int) -> int:
    """A ciphertext's size less its overhead; DecryptionError where it is too short for any plaintext."""
    if size < 0:
        raise DecryptionError(NOT_DECRYPTED)
    return size


def check_key(algorithm: Algorithm, key: SecureBytes) -> None:
    """Refuse a key that is no SecureBytes, cannot be read or is not of the algorithm's size."""
    check_secret(key, f"a key for {algorithm.name}", (algorithm.key_size,))
