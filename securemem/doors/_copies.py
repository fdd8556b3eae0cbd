"""Copies as bytes or str for the length of a call, for libraries that take nothing else."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, TypeVar

from securemem._binding import doors as binding
from securemem.exceptions import CopyKeptWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem.secure_bytes import SecureBytes

__all__ = ["copies_kept", "with_bytes", "with_str"]

_Result = TypeVar("_Result")
_counting = threading.Lock()
_kept = 0


def copies_kept() -> int:
    """How many copies of with_bytes and with_str could not be wiped, in this process so far."""
    return _kept


def _count(name: str) -> None:
    global _kept  # noqa: PLW0603 - one figure for the process
    with _counting:
        _kept += 1
    warnings.warn(
        f"the copy that {name}() made could not be wiped: what it was given to keeps it, or it is one that Python may "
        "share; it lies in ordinary memory for as long as it is used, and after",
        CopyKeptWarning,
        stacklevel=3,
    )


def with_bytes(secret: SecureBytes, call: Callable[[bytes], _Result]) -> _Result:
    """Return call(bytes of the secret), and wipe these bytes where they lie when the call is over.

    They are wiped only where nobody else has them: no other reference is left, and they are two or more. Elsewhere
    CopyKeptWarning is given and copies_kept() counts. What the call copies out of them (a client that keeps a password
    to reconnect, a cipher's key schedule) is not reached. If the call raises, its traceback may keep them.

    Raises what the call raises, and WipedError.
    """
    result, wiped = binding.with_copy(secret, call, False)
    if not wiped:
        _count("with_bytes")
    return result


def with_str(secret: SecureBytes, call: Callable[[str], _Result]) -> _Result:
    """Return call(text of the secret, by UTF-8), and wipe this str where it lies when the call is over.

    It is wiped only where nobody else has it: no other reference is left, it is ASCII, of two characters or more, and
    not interned. Elsewhere CopyKeptWarning is given and copies_kept() counts. What the call copies out of it (an
    encoded form, a header) is not reached. If the call raises, its traceback may keep it.

    Raises what the call raises, FormatError where the secret is not UTF-8, and WipedError.
    """
    result, wiped = binding.with_copy(secret, call, True)
    if not wiped:
        _count("with_str")
    return result
