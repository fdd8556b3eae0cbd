"""What the command writes: to streams that may be closed, full or of another encoding.

Names of files and what the kernel tells may hold control characters, by which a terminal could be made to do or show
anything: they are escaped.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["complain", "flush", "give_up_output", "paint", "printable", "write"]

_ESCAPED_BYTES = range(0xDC80, 0xDD00)  # bytes that were no text, as os.fsdecode() gives them


def _escaped(character: str) -> str:
    if ord(character) in _ESCAPED_BYTES:
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def printable(text: str) -> str:
    """The text with everything escaped that is not a character to be seen, line ends included."""
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # the descriptor was closed when Python started
        return
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def write(text: str) -> None:
    """Write lines to standard output, if there is one. Raises OSError where they cannot be written."""
    _write(sys.stdout, text)


def complain(message: str) -> None:
    """Write one line to standard error, if there is one that takes it."""
    try:
        _write(sys.stderr, printable(message))
    except OSError:  # there is nobody left to tell
        give_up_output(sys.stderr)


def flush() -> None:
    """Write out what is buffered for standard output. Raises OSError where it cannot be written."""
    if sys.stdout is not None:
        sys.stdout.flush()


def give_up_output(stream: TextIO) -> None:
    """Send what a stream still has to nowhere: it cannot be written, and Python would try again when it ends."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, stream.fileno())
    os.close(null)


def wants_colour() -> bool:
    """Whether standard output is a terminal that may be coloured: see no-color.org, and TERM=dumb."""
    return (
        sys.stdout is not None
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


def paint(text: str, colour: str, *, wanted: bool) -> str:
    """The text in a colour, given by the numbers of ECMA-48's SGR, where it is wanted."""
    return f"\033[{colour}m{text}\033[0m" if wanted else text
