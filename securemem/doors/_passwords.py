"""Passwords and passphrases, drawn uniformly and made in locked memory."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from securemem._binding import doors as binding
from securemem.doors._arguments import positive
from securemem.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from securemem.arenas import Arena
    from securemem.secure_bytes import SecureBytes

__all__ = ["ALPHABET", "generate_passphrase", "generate_password"]

ALPHABET = string.ascii_letters + string.digits + "!#$%&*+-.:;=?@_"
_FEWEST_WORDS = 2
_MOST_WORDS = 1 << 20
_LONGEST_WORD = 64


def generate_password(length: int = 20, alphabet: str = ALPHABET, *, arena: Arena | None = None) -> SecureBytes:
    """Make a password of random characters, each equally likely, in a new SecureBytes.

    length: characters. 20 of the alphabet given here (77 characters) have 125 bits. alphabet: two different printable
    ASCII characters or more, each once.

    Raises InvalidArgumentError for another alphabet or length, RandomError, and what SecureBytes.zeros raises where
    there is no room.
    """
    if not isinstance(alphabet, str):
        raise TypeError(f"the alphabet must be str, not {type(alphabet).__name__}")
    if not (alphabet.isascii() and alphabet.isprintable()):
        raise InvalidArgumentError("the alphabet must have printable ASCII characters only: others have several bytes")
    if len(alphabet) < _FEWEST_WORDS or len(set(alphabet)) != len(alphabet):
        raise InvalidArgumentError(
            "the alphabet must have two characters or more, each once, so that all are equally likely"
        )
    return binding.generate_password(positive("length", length), alphabet.encode("ascii"), arena)


def _table(words: Sequence[str]) -> tuple[bytes, int]:
    """The words one after the other, each filled with zeros to the length of the longest; and that length."""
    if isinstance(words, str):
        raise TypeError("words must be a sequence of str, one a word")
    encoded = [word.encode() for word in words]
    if not _FEWEST_WORDS <= len(encoded) <= _MOST_WORDS or len(set(encoded)) != len(encoded):
        raise InvalidArgumentError("words must have two words or more, each once, so that all are equally likely")
    width = max(map(len, encoded))
    if width > _LONGEST_WORD or not all(encoded) or any(0 in word for word in encoded):
        raise InvalidArgumentError(f"each word must have 1 to {_LONGEST_WORD} bytes, and no NUL")
    return b"".join(word.ljust(width, b"\0") for word in encoded), width


def generate_passphrase(
    count: int, words: Sequence[str], *, separator: str = "-", arena: Arena | None = None
) -> SecureBytes:
    """Make a passphrase of random words, each equally likely, in a new SecureBytes, as UTF-8.

    count: words. Each of a list of 7,776 has 12.9 bits, so that 6 have 77. words: the list, each once, such as the
    lines of EFF's (https://www.eff.org/dice). None comes with this package. separator: between them. The length of the
    result tells the sum of the words' lengths.

    Raises InvalidArgumentError for another count or list, RandomError, and what SecureBytes.zeros raises where there is
    no room.
    """
    if not isinstance(separator, str):
        raise TypeError(f"the separator must be str, not {type(separator).__name__}")
    if isinstance(words, str | bytes | bytearray):
        raise TypeError(f"words must be a sequence of str, not {type(words).__name__}")
    table, width = _table(words)
    return binding.generate_passphrase(positive("count", count), table, width, separator.encode(), arena)
