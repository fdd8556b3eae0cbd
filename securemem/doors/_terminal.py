"""Prompting for a secret at the terminal, without echo, straight into locked memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem._binding import doors as binding
from securemem.doors._arguments import positive
from securemem.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from securemem.arenas import Arena
    from securemem.secure_bytes import SecureBytes

__all__ = ["prompt"]

_MOST = 1 << 16


def prompt(
    text: str = "Passphrase: ",
    *,
    confirm: bool | str = False,
    max_length: int = _MOST,
    arena: Arena | None = None,
) -> SecureBytes:
    """Ask for a secret at the controlling terminal, without echo, and return what was typed as a new SecureBytes.

    text: shown before. confirm: ask a second time and compare; a str is the text for that. max_length: most bytes.
    Backspace, ^W and ^U take back a character (also one of several bytes), a word, and all. The entry ends with Enter,
    or with ^D behind some characters. Without a controlling terminal, a line of standard input is read, to its newline
    and no further; what sys.stdin has read ahead already is not seen.

    The terminal gets its settings back on every way out: each exception, and each signal that ends or stops the
    process, but SIGKILL and os._exit(). For that, signals that the program leaves to their default action have a
    handler meanwhile. After a stop and `fg`, it asks again.

    Raises KeyboardInterrupt at ^C, as the program's handler of SIGINT does, InputEndedError at ^D on an empty line or
    the end of standard input, EmptyInputError for an empty line, InputTooLongError (the rest of the line is dropped),
    InputError where the two entries differ, TerminalError where the terminal cannot be used or goes away, and what
    SecureBytes.zeros raises where there is no room. What was typed before the error is wiped. Sources: termios(3),
    tty(4).
    """
    if not isinstance(text, str) or not isinstance(confirm, bool | str):
        raise TypeError("text must be str, and confirm a bool or the text of the second question, a str")
    if "\0" in text:
        raise InvalidArgumentError("the text must have no NUL")
    again = None
    if confirm is not False:
        again = (confirm if isinstance(confirm, str) else "The same again: ").encode()
    return binding.prompt(text.encode(), again, arena, positive("max_length", max_length))
