"""What a prey starts with: `from tests.support.prey_child import *`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from securemem import Arena, SecureBytes, purge
from securemem._binding import memory as binding

__all__ = [
    "Arena",
    "SecureBytes",
    "binding",
    "fill",
    "os",
    "purge",
    "signal",
    "stand_still",
    "sys",
    "tell",
    "threading",
]

TELL, SAY, GO_ON = map(int, sys.argv[1:])
RANDOM = os.open("/dev/urandom", os.O_RDONLY)


def tell(buffer: Any) -> None:
    """Write a buffer's bytes to the attacker, straight from where they lie."""
    with memoryview(buffer) as view:
        done = 0
        while done < len(view):
            with view[done:] as rest:
                done += os.write(TELL, rest)


def fill(buffer: Any) -> Any:
    """Fill a buffer with random bytes, without a copy; the buffer."""
    assert os.readv(RANDOM, [buffer]) == len(buffer)
    return buffer


def stand_still(word: str = "") -> None:
    """Say a word, and wait until the attacker lets this process go on."""
    os.write(SAY, f"{word}\n".encode())
    if not os.read(GO_ON, 1):
        os._exit(9)
