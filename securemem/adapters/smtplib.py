"""Logging in to a mail server by `smtplib`, with a password from locked memory."""

from __future__ import annotations

import smtplib
from functools import partial
from typing import TYPE_CHECKING

from securemem.doors import concat, encode_base64
from securemem.exceptions import InvalidArgumentError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from typing_extensions import Buffer

__all__ = ["login"]

_LOGGED_IN, _BEFORE, _GO_ON = 235, 503, 334
_END = b"\r\n"


def _send(client: smtplib.SMTP, start: bytes, secret: Buffer) -> tuple[int, bytes]:
    """Send a word and a secret, as base64, from locked memory; the server's answer."""
    with encode_base64(secret) as encoded, concat(start, encoded, _END, arena=None) as line:
        data: Any = line  # declared as bytes or str; what is not str goes to the socket as it is
        client.send(data)
        del data
    return client.getreply()


def _plain(client: smtplib.SMTP, user: str, password: SecureBytes) -> tuple[int, bytes]:
    with concat(b"\0", user.encode(), b"\0", password) as words:
        return _send(client, b"AUTH PLAIN ", words)


def _login(client: smtplib.SMTP, user: str, password: SecureBytes) -> tuple[int, bytes]:
    answer = _send(client, b"AUTH LOGIN ", user.encode())
    return _send(client, b"", password) if answer[0] == _GO_ON else answer


_WAYS: tuple[tuple[str, Callable[[smtplib.SMTP, str, SecureBytes], tuple[int, bytes]]], ...] = (
    ("PLAIN", _plain),
    ("LOGIN", _login),
)


def login(client: smtplib.SMTP, user: str, password: SecureBytes) -> None:
    """Log in to a mail server, as SMTP.login does, by PLAIN or LOGIN.

    client: connected, and under TLS by starttls() or SMTP_SSL. user: the name. password: stays in locked memory; what
    is sent of it is made there, and wiped. The client keeps nothing of it. smtplib's own login sends the description
    of a SecureBytes. set_debuglevel() shows the description of what is sent.

    Raises TypeError for a password of another type, InvalidArgumentError for a NUL in the name,
    smtplib.SMTPNotSupportedError where the server has neither way,
    smtplib.SMTPAuthenticationError where it refuses, what smtplib raises for connections that end, and WipedError.
    Sources: RFC 4616, RFC 4954.
    """
    if not isinstance(password, SecureBytes):
        raise TypeError(f"the password must be SecureBytes, not {type(password).__name__}")
    if "\0" in user:
        raise InvalidArgumentError("the name of the user must have no NUL")
    client.ehlo_or_helo_if_needed()
    offered = client.esmtp_features.get("auth", "").upper().split()
    ways = [partial(way, client, user, password) for name, way in _WAYS if name in offered]
    if not ways:
        raise smtplib.SMTPNotSupportedError("the server offers neither AUTH PLAIN nor AUTH LOGIN")
    code, said = ways[0]()
    if code not in {_LOGGED_IN, _BEFORE}:
        raise smtplib.SMTPAuthenticationError(code, said)
