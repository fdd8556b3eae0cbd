"""PyNaCl's boxes and signatures with keys that stay in locked memory. Needs the package PyNaCl.

libsodium, through PyNaCl's own binding, reads the keys where they lie; PyNaCl's classes keep `bytes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nacl._sodium import ffi, lib
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey
from nacl.utils import random

from securemem._binding.operations import operate
from securemem.exceptions import EmptyInputError, InvalidArgumentError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from nacl.public import PublicKey
    from typing_extensions import Buffer

    from securemem._types import Scope

__all__ = ["LockedBox", "LockedSecretBox", "LockedSigningKey"]

_DEPTH = 64 * 1024
_KEY, _NONCE, _TAG, _SIGNATURE, _EXPANDED = 32, 24, 16, 64, 64

# ffi.from_buffer() holds a view for as long as its result lives: each stands in the call, so that it is let go before
# the operation ends.


def _key(key: SecureBytes) -> SecureBytes:
    if not isinstance(key, SecureBytes):
        raise TypeError(f"the key must be SecureBytes, not {type(key).__name__}: SecureBytes.take() makes one")
    if len(key) != _KEY:
        raise InvalidArgumentError(f"the key must have {_KEY} bytes, not {len(key)}")
    return key


def _seal(scope: Scope, key: SecureBytes, message: Buffer, nonce: bytes) -> bytes:
    plain, secret = scope.read(message, "the message"), scope.read(key, "the key")
    box = bytearray(_TAG + len(plain))
    if lib.crypto_secretbox_easy(
        ffi.from_buffer(box), ffi.from_buffer(plain), len(plain), nonce, ffi.from_buffer(secret)
    ):
        raise CryptoError("libsodium could not encrypt")
    return nonce + box


def _open(scope: Scope, key: SecureBytes, box: bytes, nonce: bytes) -> SecureBytes:
    opened = SecureBytes.zeros(len(box) - _TAG)
    target, secret = scope.write(opened, "the message"), scope.read(key, "the key")
    if lib.crypto_secretbox_open_easy(ffi.from_buffer(target), box, len(box), nonce, ffi.from_buffer(secret)):
        raise CryptoError("the box was not made under this key, or was changed")
    return opened


class LockedSecretBox:
    """Encrypts and decrypts under one key, as nacl.secret.SecretBox (XSalsa20-Poly1305).

    key: 32 bytes, which stay where they are; wipe them when the box is done. Raises InvalidArgumentError for another
    length, and TypeError for what is not a SecureBytes. Source: libsodium, crypto_secretbox_easy.
    """

    __slots__ = ("_secret",)

    def __init__(self, key: SecureBytes) -> None:
        self._secret = _key(key)

    def encrypt(self, plaintext: Buffer, nonce: bytes | None = None) -> bytes:
        """Encrypt a message: the nonce and the box, as SecretBox.decrypt takes them.

        plaintext: bytes-like, a SecureBytes too. nonce: 24 bytes, never twice under a key; None: random.

        Raises InvalidArgumentError for a nonce of another length, and WipedError.
        """
        nonce = random(_NONCE) if nonce is None else nonce
        if len(nonce) != _NONCE:
            raise InvalidArgumentError(f"the nonce must have {_NONCE} bytes, not {len(nonce)}")
        return operate(_DEPTH, _seal, self._secret, plaintext, bytes(nonce))

    def decrypt(self, ciphertext: bytes, nonce: bytes | None = None) -> SecureBytes:
        """Decrypt a message straight into locked memory.

        ciphertext: the nonce and the box, or the box alone where the nonce is given.

        Raises nacl.exceptions.CryptoError for what was not made under this key, EmptyInputError for an empty message,
        which no SecureBytes can hold, InvalidArgumentError for a nonce of another length, and WipedError.
        """
        if nonce is None:
            nonce, ciphertext = ciphertext[:_NONCE], ciphertext[_NONCE:]
            if len(nonce) < _NONCE:
                raise CryptoError("the box was not made under this key, or was changed")
        elif len(nonce) != _NONCE:
            raise InvalidArgumentError(f"the nonce must have {_NONCE} bytes, not {len(nonce)}")
        if len(ciphertext) < _TAG:
            raise CryptoError("the box was not made under this key, or was changed")
        if len(ciphertext) == _TAG:
            raise EmptyInputError("the message is empty: a secret has one byte or more")
        return operate(_DEPTH, _open, self._secret, bytes(ciphertext), bytes(nonce))


def _agree(scope: Scope, private: SecureBytes, public: bytes) -> SecureBytes:
    shared = SecureBytes.zeros(_KEY)
    target, secret = scope.write(shared, "the shared key"), scope.read(private, "the key")
    if lib.crypto_box_beforenm(ffi.from_buffer(target), public, ffi.from_buffer(secret)):
        raise CryptoError("the public key is not one to agree with")
    return shared


class LockedBox(LockedSecretBox):
    """Encrypts and decrypts between two parties, as nacl.public.Box (Curve25519, XSalsa20-Poly1305).

    private_key: 32 bytes, ours, which stay where they are. public_key: theirs. The key that both share is made in
    locked memory and lives as long as the box. Raises what LockedSecretBox raises, and CryptoError for a public key
    that gives no secret. Source: libsodium, crypto_box_easy.
    """

    __slots__ = ()

    def __init__(self, private_key: SecureBytes, public_key: PublicKey) -> None:
        super().__init__(operate(_DEPTH, _agree, _key(private_key), bytes(public_key)))


def _expand(scope: Scope, seed: SecureBytes) -> tuple[SecureBytes, bytes]:
    expanded, public = SecureBytes.zeros(_EXPANDED), bytearray(_KEY)
    target, secret = scope.write(expanded, "the signing key"), scope.read(seed, "the seed")
    lib.crypto_sign_seed_keypair(ffi.from_buffer(public), ffi.from_buffer(target), ffi.from_buffer(secret))
    return expanded, bytes(public)


def _sign(scope: Scope, expanded: SecureBytes, message: Buffer) -> bytes:
    text, secret = scope.read(message, "the message"), scope.read(expanded, "the signing key")
    signed, size = bytearray(_SIGNATURE + len(text)), ffi.new("unsigned long long *")
    if lib.crypto_sign(ffi.from_buffer(signed), size, ffi.from_buffer(text), len(text), ffi.from_buffer(secret)):
        raise CryptoError("libsodium could not sign")
    return bytes(signed[:_SIGNATURE])


class LockedSigningKey:
    """Signs under one key, as nacl.signing.SigningKey (Ed25519).

    seed: 32 bytes, which stay where they are and may be wiped then: the key that libsodium makes of them lies in locked
    memory of its own, for as long as this object lives. Raises what LockedSecretBox raises. Source: libsodium,
    crypto_sign.
    """

    __slots__ = ("_secret", "verify_key")

    def __init__(self, seed: SecureBytes) -> None:
        self._secret, public = operate(_DEPTH, _expand, _key(seed))
        self.verify_key: VerifyKey = VerifyKey(public)

    def sign(self, message: Buffer) -> bytes:
        """Sign a message: the 64 bytes for verify_key.verify(message, signature).

        A copy of the message lies in ordinary memory for the length of the call.
        """
        return operate(_DEPTH, _sign, self._secret, message)
