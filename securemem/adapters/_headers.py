"""The text of an Authorization header, made in locked memory up to the str that a client takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem.doors import concat, encode_base64

if TYPE_CHECKING:
    from securemem.secure_bytes import SecureBytes


def _text(header: SecureBytes) -> str:
    with header, header.reveal() as view:
        return str(view, "ascii")


def basic(user: str, password: SecureBytes) -> str:
    """The header of Basic authentication (RFC 7617), by UTF-8."""
    with concat(user.encode(), b":", password, arena=None) as pair, encode_base64(pair) as encoded:
        return _text(concat(b"Basic ", encoded))


def bearer(token: SecureBytes) -> str:
    """The header of a Bearer token (RFC 6750)."""
    return _text(concat(b"Bearer ", token))
