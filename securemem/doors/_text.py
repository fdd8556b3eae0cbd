"""Cutting and joining secrets within locked memory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from securemem._binding import doors as binding
from securemem.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.secure_bytes import SecureBytes

__all__ = ["concat", "split", "strip"]

WHITESPACE = b" \t\n\r\x0b\f"


def split(secret: Buffer, separator: Buffer, *, maxsplit: int = -1, arena: Arena | None = None) -> list[SecureBytes]:
    """Cut a secret at each separator, into new SecureBytes.

    secret: left as it is. separator: one byte or more, such as b":". maxsplit: most cuts, from the left; -1: all.
    arena: None is that of the secret, if it is a SecureBytes, or the default one. The time depends on where the
    separators are.

    Raises EmptyInputError where a part is empty, since a secret has at least one byte, InvalidArgumentError for an
    empty separator, and what SecureBytes.zeros raises where there is no room; what was cut before that is wiped.
    """
    with memoryview(separator) as view:
        if view.nbytes == 0:
            raise InvalidArgumentError("the separator must have one byte or more")
        return binding.split(secret, view, min(maxsplit, sys.maxsize), arena)


def strip(secret: Buffer, characters: Buffer = WHITESPACE, *, arena: Arena | None = None) -> SecureBytes:
    """Leave out characters at both ends: a new SecureBytes.

    secret: left as it is. characters: bytes to leave out, each for itself; ASCII whitespace where none are given.
    arena: None is that of the secret, if it is a SecureBytes, or the default one. The time depends on how many are
    left out.

    Raises EmptyInputError where nothing is left, and what SecureBytes.zeros raises where there is no room.
    """
    return binding.strip(secret, characters, arena)


def concat(*parts: Buffer, arena: Arena | None = None) -> SecureBytes:
    """Join secrets and other bytes-like objects into one new SecureBytes.

    parts: left as they are; some may be empty. arena: None is that of the first part, if it is a SecureBytes, or the
    default one.

    Raises EmptyInputError where all are empty, and what SecureBytes.zeros raises where there is no room.
    """
    return binding.concat(parts, arena)
