"""Checks of arguments that several doors take."""

from __future__ import annotations

import math
import sys

from securemem.exceptions import InvalidArgumentError

FOREVER = -1


def positive(name: str, value: int) -> int:
    """The number, if it is an integer of one or more."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
    if not 1 <= value <= sys.maxsize // 4:
        raise InvalidArgumentError(f"{name}={value} is out of range: give 1 or more")
    return value


def milliseconds(timeout: float | None) -> int:
    """Seconds as what poll(2) takes; None waits for ever."""
    if timeout is None:
        return FOREVER
    if not isinstance(timeout, int | float) or isinstance(timeout, bool):
        raise TypeError(f"timeout must be a number of seconds or None, not {type(timeout).__name__}")
    if not 0 <= timeout < 2**31 / 1000:
        raise InvalidArgumentError(f"timeout={timeout} is out of range: give 0 to 2,000,000 seconds, or None")
    return math.ceil(timeout * 1000)


def descriptor(file: object) -> int:
    """The number of an open file, as os functions take it: an int, or an object with fileno()."""
    number = file if isinstance(file, int) else getattr(file, "fileno", lambda: None)()
    if not isinstance(number, int) or isinstance(file, bool):
        raise TypeError(f"a file descriptor or an object with fileno() is taken, not {type(file).__name__}")
    if not 0 <= number < 2**31:
        raise InvalidArgumentError(f"{number} is not an open file: a closed one has no descriptor")
    return number


def plain_name(kind: str, name: str) -> str:
    """A name that can be that of a variable or file in one folder."""
    if not isinstance(name, str):
        raise TypeError(f"the name of {kind} must be str, not {type(name).__name__}")
    if not name or "\0" in name:
        raise InvalidArgumentError(f"the name of {kind} must have one character or more, and no NUL")
    return name
