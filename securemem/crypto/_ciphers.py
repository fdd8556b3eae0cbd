"""The ciphers by their names. `aead` makes and counts the nonces; `hazmat` is the door for those who bring their own.

One message is one call of a compiled `Cipher` (cffi_build/types/message.c), which builds cryptography's object, uses
it, drops it, and clears what it left, whatever was raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV, ChaCha20Poly1305

from securemem._binding.operations import Cipher
from securemem._frozen import Frozen
from securemem.crypto._siv import Siv
from securemem.crypto._workspace import check_secret
from securemem.crypto._xaes import COMMITMENT, blocks
from securemem.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from securemem.secure_bytes import SecureBytes

__all__ = ["ALGORITHMS", "NOT_DECRYPTED", "Algorithm", "AlgorithmName", "algorithm_named", "check_key"]

AlgorithmName = Literal[
    "KC-XAES-256-GCM",
    "XAES-256-GCM",
    "AES-256-GCM",
    "AES-128-GCM",
    "AES-256-GCM-SIV",
    "ChaCha20-Poly1305",
    "AES-256-SIV",
]

_TAG = 16
NOT_DECRYPTED = "the ciphertext could not be decrypted with this key and associated data"


class Algorithm(Frozen):
    """An authenticated cipher (AEAD). Sizes in bytes.

    overhead: what a ciphertext has more than its plaintext, the nonce left out.
    most_messages: how many random nonces one key allows.
    """

    name: AlgorithmName
    key_size: int
    nonce_size: int
    overhead: int
    most_messages: int
    cipher: Cipher


_RANDOM_96 = 2**32  # NIST SP 800-38D, 8.3: a chance of 2**-32 that two random 96-bit nonces are equal
_RANDOM_128 = 2**48  # the same chance; and a nonce that comes twice tells only whether the messages are equal
_RANDOM_192 = 2**62  # nobody gets there; C2SP allows 2**80


def _plain(
    name: AlgorithmName, aead: type[AESGCM | AESGCMSIV | ChaCha20Poly1305], key_size: int = 32
) -> tuple[AlgorithmName, Algorithm]:
    cipher = Cipher(name, aead, None, InvalidTag, key_size, 12, _TAG, 0)
    return name, Algorithm(name, key_size, 12, _TAG, _RANDOM_96, cipher)


def _siv(name: AlgorithmName) -> tuple[AlgorithmName, Algorithm]:
    cipher = Cipher(name, Siv, None, InvalidTag, 64, 16, _TAG, 0)
    return name, Algorithm(name, 64, 16, _TAG, _RANDOM_128, cipher)


def _xaes(name: AlgorithmName, commitment: int) -> tuple[AlgorithmName, Algorithm]:
    cipher = Cipher(name, AESGCM, blocks, InvalidTag, 32, 24, _TAG, commitment)
    return name, Algorithm(name, 32, 24, _TAG + commitment, _RANDOM_192, cipher)


ALGORITHMS: dict[str, Algorithm] = dict(
    (
        _xaes("KC-XAES-256-GCM", COMMITMENT),
        _xaes("XAES-256-GCM", 0),
        _plain("AES-256-GCM", AESGCM),
        _plain("AES-128-GCM", AESGCM, 16),
        _plain("AES-256-GCM-SIV", AESGCMSIV),
        _plain("ChaCha20-Poly1305", ChaCha20Poly1305),
        _siv("AES-256-SIV"),
    )
)


def algorithm_named(name: str) -> Algorithm:
    """The algorithm; InvalidArgumentError where there is none of that name, TypeError for what is no name."""
    if not isinstance(name, str):
        raise TypeError(f"an algorithm is given by its name, a str, not by {type(name).__name__}")
    if name not in ALGORITHMS:
        raise InvalidArgumentError(
            f"algorithm {name!r} does not exist: choose one of {', '.join(map(repr, ALGORITHMS))}"
        )
    return ALGORITHMS[name]


def check_key(algorithm: Algorithm, key: SecureBytes) -> None:
    """Refuse a key that is no SecureBytes, cannot be read or is not of the algorithm's size."""
    check_secret(key, f"a key for {algorithm.name}", (algorithm.key_size,))
