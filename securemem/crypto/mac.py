"""Message authentication codes under a key in locked memory: HMAC (RFC 2104, FIPS 198-1) with SHA-2."""

from __future__ import annotations

import hmac as constant_time
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from securemem._binding.operations import operate
from securemem.crypto._workspace import DEPTH, check_secret
from securemem.exceptions import InvalidArgumentError, VerificationError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.secure_bytes import SecureBytes

__all__ = ["HashName", "hash_named", "hmac", "verify"]

HashName = Literal["SHA-256", "SHA-384", "SHA-512"]
_HASHES: dict[str, HashAlgorithm] = {"SHA-256": SHA256(), "SHA-384": SHA384(), "SHA-512": SHA512()}


def hash_named(name: str) -> HashAlgorithm:
    """The hash function; InvalidArgumentError where there is none of that name, TypeError for what is no name."""
    if not isinstance(name, str):
        raise TypeError(f"a hash is given by its name, a str, not by {type(name).__name__}")
    if name not in _HASHES:
        raise InvalidArgumentError(f"hash {name!r} does not exist here: choose one of {', '.join(map(repr, _HASHES))}")
    return _HASHES[name]


def hmac(key: SecureBytes, data: Buffer, *, algorithm: HashName = "SHA-256") -> bytes:
    """The code of data: 32, 48 or 64 bytes, no secret. key: of any length, at best that of the code.

    Key and data are read in place; no copy of the key is left. Raises WipedError or ForkedError when the key cannot be
    read, TypeError for a key that is no SecureBytes and for data that is not bytes-like, SourceError for data in
    pieces, InvalidArgumentError for another hash.
    """
    chosen = hash_named(algorithm)
    check_secret(key, "the key")
    return operate(DEPTH, _code, key, data, chosen)


def _code(scope: Scope, key: SecureBytes, data: Buffer, chosen: HashAlgorithm) -> bytes:
    context = HMAC(scope.read(key, "the key"), chosen)  # dropped, with its copy of the key's state, before the clearing
    context.update(scope.read(data, "data"))
    return context.finalize()


def _is_code(scope: Scope, key: SecureBytes, data: Buffer, code: Buffer, chosen: HashAlgorithm) -> bool:
    return constant_time.compare_digest(_code(scope, key, data, chosen), scope.read(code, "the code"))


def verify(key: SecureBytes, data: Buffer, code: Buffer, *, algorithm: HashName = "SHA-256") -> None:
    """Check a code, in constant time; VerificationError when it is not that of data. Other exceptions are hmac()'s."""
    chosen = hash_named(algorithm)
    check_secret(key, "the key")
    if not operate(DEPTH, _is_code, key, data, code, chosen):
        raise VerificationError("the code does not fit the data and the key")
