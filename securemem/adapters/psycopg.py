"""Connections of `psycopg` to PostgreSQL with a password from locked memory. Needs the package psycopg."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import psycopg

from securemem._binding.operations import operate
from securemem.doors import as_file
from securemem.exceptions import InvalidArgumentError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from securemem._types import Scope

__all__ = ["SecretConnector"]

_DEPTH = 64 * 1024
_ANY_SERVER = b"*:*:*:*:"
_COLON, _BACKSLASH = b":\\"
_ENDS = b"\n\r\0"


def _line(scope: Scope, password: SecureBytes) -> SecureBytes:
    """The line of a password file: a backslash stands before each colon and backslash."""
    view = scope.read(password, "the password")
    if any(byte in _ENDS for byte in view):
        raise InvalidArgumentError("the password has a line's end or a NUL within: read it with strip_newline=True")
    escaped = sum(byte in {_COLON, _BACKSLASH} for byte in view)
    line = SecureBytes.zeros(len(_ANY_SERVER) + len(view) + escaped)
    target = scope.write(line, "the line")
    target[: len(_ANY_SERVER)] = _ANY_SERVER
    at = len(_ANY_SERVER)
    for byte in view:
        if byte in {_COLON, _BACKSLASH}:
            target[at] = _BACKSLASH
            at += 1
        target[at] = byte
        at += 1
    return line


class SecretConnector:
    """Makes connections when it is called: connect = SecretConnector(password, host="db", user="app").

    For SQLAlchemy: create_engine("postgresql+psycopg://", creator=connect). libpq reads the password from a file that
    is only in memory and wiped when the connection stands. No str is made of it. libpq makes two copies in ordinary
    memory, and does not wipe them when the connection is closed.

    password: UTF-8, without the end of a line; stays in locked memory, and may be wiped when no more connections are to
    be made. parameters: those of psycopg.connect(), but for passfile.

    Raises TypeError and InvalidArgumentError for what does not fit. Sources: PostgreSQL, "The Password File",
    "libpq: Connection Parameters".
    """

    def __init__(self, password: SecureBytes, **parameters: Any) -> None:
        if not isinstance(password, SecureBytes):
            raise TypeError(f"the password must be SecureBytes, not {type(password).__name__}")
        if "passfile" in parameters:
            raise InvalidArgumentError("the connector gives passfile= itself: leave it out")
        self._password, self._parameters = password, parameters

    def __call__(self) -> psycopg.Connection[Any]:
        """Connect. Raises what psycopg.connect() and doors.as_file() raise, InvalidArgumentError, and WipedError."""
        with operate(_DEPTH, _line, self._password) as line, as_file(line) as file:
            return psycopg.connect(**self._parameters, passfile=os.fspath(file))
