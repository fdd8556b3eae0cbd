"""Signatures of `itsdangerous` under keys that stay in locked memory. Needs the package itsdangerous."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from itsdangerous import Signer, TimestampSigner
from itsdangerous.signer import HMACAlgorithm, SigningAlgorithm

from securemem._binding.operations import operate
from securemem.exceptions import InvalidArgumentError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem._types import Scope

__all__ = ["SecretSigner", "SecretTimestampSigner"]

_DEPTH = 64 * 1024
_JOINED = {"concat": b"", "django-concat": b"signer"}


def _derive(scope: Scope, key: SecureBytes, kind: str, salt: bytes, method: Callable[..., Any]) -> SecureBytes:
    name = method().name
    derived = SecureBytes.zeros(hashlib.new(name).digest_size)
    target = scope.write(derived, "the derived key")
    if kind == "hmac":
        scope.receive(target, hmac.digest, scope.read(key, "the key"), salt, name)
        return derived
    hasher = hashlib.new(name, salt + _JOINED[kind])
    hasher.update(scope.read(key, "the key"))
    scope.receive(target, hasher.digest)
    return derived


class _Algorithm(SigningAlgorithm):
    """HMAC under a SecureBytes, by the hash of a signer."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._name = method().name

    def get_signature(self, key: Any, value: bytes) -> bytes:
        return hmac.digest(key, value, self._name)


class SecretSigner(Signer):
    """A Signer whose keys are SecureBytes; its signatures are those of itsdangerous's own.

    secret_key: a SecureBytes, or a list of them from the oldest to the newest; the others as of itsdangerous.Signer.
    Also a serializer's signer: `URLSafeSerializer([key], signer=SecretSigner)`: give the serializer a list.
    The keys that are derived with the salt lie in locked memory too, for the length of a call.

    Raises TypeError for a key of another type, InvalidArgumentError for an algorithm other than HMAC, and WipedError
    when it signs.
    """

    algorithm: Any  # the base class is unknown to type checkers where itsdangerous is not installed

    def __init__(self, secret_key: Any, *arguments: Any, **options: Any) -> None:
        keys: Any = [secret_key] if isinstance(secret_key, SecureBytes) else secret_key
        if isinstance(keys, str | bytes) or not all(isinstance(key, SecureBytes) for key in keys):
            raise TypeError("secret_key must be a SecureBytes, or a list of them")
        super().__init__(keys, *arguments, **options)
        if type(self.algorithm) is not HMACAlgorithm:
            raise InvalidArgumentError("a signer under a SecureBytes has HMAC alone: leave algorithm= out")
        self.algorithm: Any = _Algorithm(self.digest_method)

    def derive_key(self, secret_key: Any = None) -> Any:
        """The key that signs: of the salt and a key."""
        key: Any = self.secret_keys[-1] if secret_key is None else secret_key
        if self.key_derivation == "none":
            return key
        if self.key_derivation != "hmac" and self.key_derivation not in _JOINED:
            raise InvalidArgumentError(
                f"key_derivation={self.key_derivation!r}: give concat, django-concat, hmac or none"
            )
        return operate(_DEPTH, _derive, key, self.key_derivation, self.salt, self.digest_method)


class SecretTimestampSigner(SecretSigner, TimestampSigner):
    """A TimestampSigner whose keys are SecureBytes, as those of a SecretSigner.

    `URLSafeTimedSerializer([key], signer=SecretTimestampSigner)` gives tokens that expire.
    """
