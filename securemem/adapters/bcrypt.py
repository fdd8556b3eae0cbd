"""Password hashes of `bcrypt` from passwords in locked memory. Needs the package bcrypt."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import bcrypt

from securemem.doors import with_bytes
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    R = TypeVar("R")

__all__ = ["check", "hash_password"]


def _lend(password: SecureBytes, call: Callable[[bytes], R]) -> R:
    if not isinstance(password, SecureBytes):
        raise TypeError(f"the password must be SecureBytes, not {type(password).__name__}")
    return with_bytes(password, call)


def _call(function: Callable[[bytes, bytes], R], salt: bytes, password: bytes) -> R:
    return function(password, salt)


def check(password: SecureBytes, hashed: bytes) -> bool:
    """Whether a password is the one that was hashed, as bcrypt.checkpw.

    password: 72 bytes or fewer. bcrypt takes bytes alone: a copy is made for the call and wiped after it.

    Raises ValueError for a longer password or what is not a hash, and WipedError.
    """
    return _lend(password, partial(_call, bcrypt.checkpw, hashed))


def hash_password(password: SecureBytes, rounds: int = 12) -> bytes:
    """Hash a password with a new salt, as bcrypt.hashpw: the bytes to store.

    password: 72 bytes or fewer. rounds: 4 to 31; each one more doubles the time. bcrypt takes bytes alone: a copy is
    made for the call and wiped after it.

    Raises ValueError for a longer password or other rounds, and WipedError.
    """
    return _lend(password, partial(_call, bcrypt.hashpw, bcrypt.gensalt(rounds)))
