"""Password hashes of `argon2-cffi` from passwords in locked memory. Needs the package argon2-cffi."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import HashingError, InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from securemem._binding.operations import operate
from securemem.crypto._argon2_bindings import ffi, lib
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from securemem._types import Scope

__all__ = ["SecretHasher"]

_DEPTH = 64 * 1024
_VARIANTS = {b"argon2i": lib.Argon2_i, b"argon2d": lib.Argon2_d, b"argon2id": lib.Argon2_id}

# ffi.from_buffer() holds a view for as long as its result lives: it stands in the call, so that it is let go before the
# operation ends.


def _check(scope: Scope, password: SecureBytes, stored: bytes, variant: int) -> int:
    view = scope.read(password, "the password")
    answer: int = lib.argon2_verify(stored, ffi.from_buffer(view), len(view), variant)
    return answer


def _make(scope: Scope, password: SecureBytes, salt: bytes, cost: tuple[int, int, int], size: int, variant: int) -> str:
    view = scope.read(password, "the password")
    room = lib.argon2_encodedlen(*cost, len(salt), size, variant) + 1
    made = ffi.new("char[]", room)
    failed = lib.argon2_hash(
        *cost,
        ffi.from_buffer(view),
        len(view),
        salt,
        len(salt),
        ffi.NULL,
        size,
        made,
        room,
        variant,
        ARGON2_VERSION,
    )
    if failed:
        raise HashingError(ffi.string(lib.argon2_error_message(failed)).decode())
    return str(ffi.string(made), "ascii")


class SecretHasher(PasswordHasher):
    """A PasswordHasher that takes a SecureBytes as the password too, and reads it where it lies.

    Its parameters, and what it does with bytes and str, are PasswordHasher's. It does not normalise the text of a
    password, as PasswordHasher does not. Source: RFC 9106.
    """

    __slots__ = ()

    def hash(self, password: Any, *, salt: bytes | None = None) -> str:
        """Hash a password: the text to store.

        Raises argon2.exceptions.HashingError for parameters that Argon2 refuses or where there is no memory, and
        WipedError.
        """
        if not isinstance(password, SecureBytes):
            return super().hash(password, salt=salt)
        cost = (self.time_cost, self.memory_cost, self.parallelism)
        salt = salt or os.urandom(self.salt_len)
        return operate(_DEPTH, _make, password, salt, cost, self.hash_len, self.type.value)

    def verify(self, hash: str | bytes, password: Any) -> Literal[True]:  # noqa: A002 - PasswordHasher's name for it
        """Check a password against a stored hash, of any variant: True.

        Raises argon2.exceptions.VerifyMismatchError for another password, InvalidHashError for what is not a hash,
        VerificationError where it cannot be checked, and WipedError.
        """
        if not isinstance(password, SecureBytes):
            return super().verify(hash, password)
        stored = hash.encode("ascii") if isinstance(hash, str) else hash
        variant = _VARIANTS.get([*stored.split(b"$", 2), b""][1])
        if variant is None:
            raise InvalidHashError
        failed = operate(_DEPTH, _check, password, stored, variant)
        if failed == lib.ARGON2_VERIFY_MISMATCH:
            raise VerifyMismatchError(ffi.string(lib.argon2_error_message(failed)).decode())
        if failed:
            raise VerificationError(ffi.string(lib.argon2_error_message(failed)).decode())
        return True
