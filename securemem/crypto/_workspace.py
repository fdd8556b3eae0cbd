"""What every operation of this package begins and ends with: its arguments checked, and clearing after it.

The depths are measured: docs/reference/crypto.md has what a scan finds after each operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem.exceptions import SizeError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Container


# Cleared after an operation: the deepest use of the stack is 10.3 KiB, the deepest residue 6.2 KiB.
DEPTH = 16 * 1024
# Argon2, scrypt and signatures run once in a while: there it costs nothing to clear more.
DEEP = 128 * 1024

__all__ = ["DEEP", "DEPTH", "check_integer", "check_length", "check_secret"]


def check_length(length: int) -> int:
    """The length of a derived key in bytes; SizeError unless it is from 1 to 2**20."""
    most = 2**20
    if not 0 < check_integer(length, "the length") <= most:
        raise SizeError(f"a key of 1 to {most} bytes can be derived")
    return length


def check_secret(secret: SecureBytes, what: str, sizes: Container[int] | None = None) -> None:
    """Refuse what is no SecureBytes, is wiped or left in a parent process, or has none of the sizes in bytes."""
    if type(secret) is not SecureBytes:
        encode = "; encode text into one first" if isinstance(secret, str) else ""
        raise TypeError(
            f"{what} must be a SecureBytes, not {type(secret).__name__}: SecureBytes.take() moves a bytearray into "
            f"locked memory and wipes it{encode}"
        )
    length = len(secret)
    if sizes is not None and length not in sizes:
        raise SizeError(f"{what} has {length} bytes: it must have {_listed(sizes)}")


def _listed(sizes: Container[int]) -> str:
    if isinstance(sizes, range):
        return f"from {sizes.start} to {sizes[-1]}, in steps of {sizes.step}"
    return " or ".join(map(str, sizes)) if isinstance(sizes, tuple) else "another size"


def check_integer(value: int, what: str) -> int:
    """Refuse what is no integer; a bool is none here."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} must be an integer, not {type(value).__name__}")
    return value
