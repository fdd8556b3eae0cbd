"""HS256, HS384 and HS512 tokens of `PyJWT` under keys that stay in locked memory. Needs the package PyJWT."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any

import jwt
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from securemem._binding.operations import operate
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from securemem._types import Scope

__all__ = ["SecretHMAC", "accept_secrets"]

_DEPTH = 64 * 1024
_HASHES = {"HS256": HMACAlgorithm.SHA256, "HS384": HMACAlgorithm.SHA384, "HS512": HMACAlgorithm.SHA512}
_PUBLIC = re.compile(rb"-----BEGIN |\Assh-|\Aecdsa-sha2-|\A\s*\{")


def _looks_public(scope: Scope, key: SecureBytes) -> bool:
    return _PUBLIC.search(scope.read(key, "the key")) is not None


class SecretHMAC(HMACAlgorithm):
    """PyJWT's algorithm for HS256, HS384 and HS512, which takes a SecureBytes as the key too.

    hash_alg: HMACAlgorithm.SHA256, SHA384 or SHA512. Register it with a jwt.PyJWS of your own, or for all by
    accept_secrets(). As PyJWT's own, it refuses keys that look like public keys or JSON. Source: RFC 7515, RFC 7518.
    """

    def prepare_key(self, key: Any) -> Any:
        """Check a key; a SecureBytes stays where it is.

        Raises jwt.InvalidKeyError for a key that looks like PEM, an SSH key, or JSON, and WipedError.
        """
        if not isinstance(key, SecureBytes):
            return super().prepare_key(key)
        if operate(_DEPTH, _looks_public, key):
            raise InvalidKeyError("the key looks like a public key, a certificate or a JWK: those are not for HMAC")
        return key

    def sign(self, msg: bytes, key: Any) -> bytes:
        """The code of a message."""
        return hmac.digest(key, msg, self.hash_alg().name)

    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        """Whether a code is that of the message."""
        return hmac.compare_digest(sig, self.sign(msg, key))


def accept_secrets() -> None:
    """Let jwt.encode() and jwt.decode() take a SecureBytes as the key of HS256, HS384 and HS512.

    It replaces PyJWT's algorithms of these names for the whole process, which take bytes and str as before. Call it
    once, at the start, before threads use PyJWT. jwt.PyJWT objects that the program makes have algorithms of their own.
    """
    for name, hashed in _HASHES.items():
        jwt.unregister_algorithm(name)
        jwt.register_algorithm(name, SecretHMAC(hashed))
