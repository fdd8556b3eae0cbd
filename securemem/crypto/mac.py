"""Message authentication codes under a key in locked memory: HMAC (RFC 2104, FIPS 198-1) with SHA-2."""

from __future__ import annotations

import hmac as constant_time
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC

from securemem.crypto._workspace import DEPTH, check_secret, scrub
from securemem.exceptions import InvalidArgumentError, VerificationError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem.secure_bytes import SecureBytes

__all__ = ["HashName", "hash_named", "hmac", "verify"]

HashName = Literal["SHA-256", "SHA-384", "SHA-512"]
_HASHES: dict[str, HashAlgorithm] = {"SHA-256": SHA256(), "SHA-384": SHA384(), "SHA-512": SHA512()}


def hash_named(name: str) -> HashAlgorithm:
    """The hash function; InvalidArgumentError where there is none of that name."""
    if name not in _HASHES:
        raise InvalidArgumentError(f"hash {name!r} does not exist here: choose one of {', '.join(map(repr, _HASHES))}")
    return _HASHES[name]


def hmac(key: SecureBytes, data: Buffer, *, algorithm: HashName = "SHA-256") -> bytes:
    """The code of data: 32, 48 or 64 bytes, no secret. key: of any length, at best that of the code.

    Key and data are read in place; no copy of the key is left. Raises WipedError, ForkedError or TypeError when the
    key cannot be read, InvalidArgumentError for another hash.
    """
    chosen = hash_named(algorithm)
    check_secret(key, "the key")
    view = memoryview(key)
    try:
        return _code(view, chosen, memoryview(data))
    finally:
        view.release()
        scrub(DEPTH)


def _code(key: memoryview, chosen: HashAlgorithm, data: memoryview) -> bytes:
    context = HMAC(key, chosen)  # dropped, with its copy of the key's state, before the stack is cleared
    context.update(data)
    return context.finalize()


def verify(key: SecureBytes, data: Buffer, code: Buffer, *, algorithm: HashName = "SHA-256") -> None:
    """Check a code, in constant time; VerificationError when it is not that of data. Otherwise as hmac()."""
    if not constant_time.compare_digest(hmac(key, data, algorithm=algorithm), code):
        raise VerificationError("the code does not fit the data and the key")
