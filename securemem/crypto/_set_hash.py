"""A keyed hash of a set: what is in it can be added and taken away without the others being read again.

The hash is the sum modulo 2**256 of the HMAC-SHA-256 codes of the members (MSet-Add-Hash of Clarke, Devadas, van Dijk,
Gassend and Suh, 2003). It is safe while the key and the sums are unknown to who wants to find another set with the same
sum: keep a sum where it cannot be read, such as in a ciphertext.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from securemem._binding.operations import operate
from securemem.crypto._workspace import DEPTH, check_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from securemem._types import Scope
    from securemem.secure_bytes import SecureBytes

__all__ = ["MODULUS", "set_sum"]

MODULUS = 2**256


def set_sum(key: SecureBytes, members: Iterable[bytes]) -> int:
    """The sum of the codes of all members under a key of 32 bytes.

    Members are distinct, and none is such that two of them could be read as one. Raises WipedError or ForkedError when
    the key cannot be read, TypeError or SizeError for what is no such key.
    """
    check_secret(key, "the key", (32,))
    return operate(DEPTH, _sum, key, members)


def _sum(scope: Scope, key: SecureBytes, members: Iterable[bytes]) -> int:
    start = HMAC(scope.read(key, "the key"), SHA256())
    total = 0
    for member in members:
        one = start.copy()
        one.update(member)
        total += int.from_bytes(one.finalize(), "big")
    return total % MODULUS
