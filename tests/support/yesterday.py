"""What endings in Python statements look like: the defects that the interruption driver must find, one a function.

Each is how securemem, or programs like it, did it before endings went into C. Nothing here is used but by the driver's
controls (tests/interruption/test_driver.py).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from securemem import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT: list[SecureBytes] = []
LOCK = threading.Lock()


class Vault:
    """A gate that is a list of the threads inside, left in `finally`."""

    def __init__(self) -> None:
        self.in_use: list[int] = []
        self.is_locked = False

    def use(self, work: Callable[[], object]) -> object:
        """Do some work inside the gate."""
        thread = threading.get_ident()
        self.in_use.append(thread)
        try:
            return work()
        finally:
            self.in_use.remove(thread)

    @property
    def locked(self) -> bool:
        """Whether it is locked."""
        return self.is_locked

    def lock(self) -> None:
        """Wait until the other threads have left."""
        while any(thread != threading.get_ident() for thread in tuple(self.in_use)):
            time.sleep(0.0005)
        self.is_locked = True


def write_file(folder: Path) -> None:
    """A temporary file, its descriptor closed and its name taken away in `finally`."""
    descriptor, name = tempfile.mkstemp(dir=folder)
    try:
        os.write(descriptor, b"data")
    finally:
        os.close(descriptor)
        Path(name).unlink()


def read_first(secret: SecureBytes) -> int:
    """A view, released in `finally`."""
    view = memoryview(secret)
    try:
        return view[0]
    finally:
        view.release()


def decrypt_into(out: bytearray) -> None:
    """A destination that is wiped where the plaintext turns out to be forged."""
    try:
        out[:] = b"p" * len(out)
        for _ in range(3):
            check_tag(out)
    except BaseException:
        for at in range(len(out)):
            out[at] = 0
        raise


def check_tag(_out: bytearray) -> None:
    """Some work."""


def under_a_lock() -> None:
    """A lock, given back in `finally`."""
    LOCK.acquire()
    try:
        check_tag(bytearray())
    finally:
        LOCK.release()


def lose() -> None:
    """An exception that is taken for the work's own."""
    with contextlib.suppress(BaseException):
        check_tag(bytearray())


def convert() -> None:
    """An exception that becomes another."""
    try:
        check_tag(bytearray())
    except BaseException as error:
        raise ValueError("the data is wrong") from error


def keep() -> None:
    """A secret in a registry, taken out in `finally`."""
    secret = SecureBytes.random(32)
    KEPT.append(secret)
    try:
        check_tag(bytearray())
    finally:
        KEPT.remove(secret)


def copy(secret: SecureBytes) -> int:
    """A copy in ordinary memory, wiped in `finally`."""
    plain = bytearray(secret)
    try:
        return sum(plain)
    finally:
        for at in range(len(plain)):
            plain[at] = 0
