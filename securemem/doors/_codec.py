"""Hex and base64 between locked memory and locked memory, in time that depends on the length alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from securemem._binding import doors as binding
from securemem.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from securemem.arenas import Arena
    from securemem.secure_bytes import SecureBytes

__all__ = ["decode_base64", "decode_hex", "encode_base64", "encode_hex"]

Alphabet = Literal["standard", "url"]


def _is_url(alphabet: str) -> bool:
    if alphabet not in {"standard", "url"}:
        raise InvalidArgumentError(
            f'alphabet={alphabet!r} does not exist: choose "standard" (+ and /) or "url" (- and _)'
        )
    return alphabet == "url"


def decode_hex(text: Buffer, *, arena: Arena | None = None) -> SecureBytes:
    """Decode hex digits, of either case, into a new SecureBytes.

    text: ASCII digits in a SecureBytes or another bytes-like object, which is left as it is. Nothing but digits: no
    space, no newline, no 0x. arena: None is that of the text, if it is a SecureBytes, or the default one.

    Raises EmptyInputError, FormatError for anything else than pairs of digits, and what SecureBytes.zeros raises where
    there is no room. Source: RFC 4648, section 8.
    """
    return binding.decode_hex(text, arena)


def encode_hex(data: Buffer, *, arena: Arena | None = None) -> SecureBytes:
    """Encode bytes as lower-case hex digits, two a byte, in a new SecureBytes.

    data: a SecureBytes or another bytes-like object, which is left as it is. arena: None is that of the data, if it is
    a SecureBytes, or the default one.

    Raises EmptyInputError, and what SecureBytes.zeros raises where there is no room. Source: RFC 4648, section 8.
    """
    return binding.encode_hex(data, arena)


def decode_base64(
    text: Buffer, *, alphabet: Alphabet = "standard", padded: bool = True, arena: Arena | None = None
) -> SecureBytes:
    """Decode base64 text into a new SecureBytes.

    text: ASCII in a SecureBytes or another bytes-like object, which is left as it is. alphabet: "standard" has + and /,
    "url" has - and _. padded: the text is filled with = to a multiple of 4; False: it has no =. Nothing else is taken:
    no newline, no other padding, no bits behind the last byte. arena: None is that of the text, if it is a SecureBytes,
    or the default one.

    Raises EmptyInputError, FormatError, InvalidArgumentError for an alphabet that does not exist, and what
    SecureBytes.zeros raises where there is no room. Source: RFC 4648, sections 4 and 5.
    """
    return binding.decode_base64(text, arena, _is_url(alphabet), padded)


def encode_base64(
    data: Buffer, *, alphabet: Alphabet = "standard", padded: bool = True, arena: Arena | None = None
) -> SecureBytes:
    """Encode bytes as base64 text in a new SecureBytes.

    data: a SecureBytes or another bytes-like object, which is left as it is. alphabet: "standard" has + and /, "url"
    has - and _. padded: fill the text with = to a multiple of 4. arena: None is that of the data, if it is a
    SecureBytes, or the default one.

    Raises EmptyInputError, InvalidArgumentError for an alphabet that does not exist, and what SecureBytes.zeros raises
    where there is no room. Source: RFC 4648, sections 4 and 5.
    """
    return binding.encode_base64(data, arena, _is_url(alphabet), padded)
