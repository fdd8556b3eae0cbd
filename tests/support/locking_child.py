"""What the child programs of the locking tests start with: `from tests.support.locking_child import *`."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, TypeVar

import securemem
from securemem import exceptions, locking
from securemem._memory_map import mappings, status_kib

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "PAGE",
    "anonymous",
    "become_ordinary",
    "ctypes",
    "exceptions",
    "flags",
    "in_child",
    "libc",
    "locking",
    "mappings",
    "mmap",
    "os",
    "raises",
    "resource",
    "securemem",
    "signal",
    "status_kib",
    "sys",
]

AnError = TypeVar("AnError", bound=BaseException)
PAGE = mmap.PAGESIZE
NOBODY = 65534
libc = ctypes.CDLL(None, use_errno=True)


def anonymous(pages: int) -> tuple[mmap.mmap, int]:
    """Private memory of our own, and its address."""
    memory = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:] = b"x" * len(memory)
    return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))


def flags(address: int) -> frozenset[str]:
    """VmFlags of the mapping at an address."""
    return frozenset(next(one.flags for one in mappings() if one.start <= address < one.end))


def become_ordinary(limit: int | None = None) -> None:
    """Drop root, with a limit of so many bytes."""
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def raises(kind: type[AnError], call: Callable[[], object]) -> AnError:
    """The exception of exactly that kind."""
    try:
        call()
    except kind as error:
        assert type(error) is kind, repr(error)  # noqa: PT017 - no pytest in this process
        return error
    raise AssertionError(f"no {kind.__name__}")


def in_child(work: Callable[[], object]) -> int:
    """Do it in a forked child; its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - the child ends here, whatever it was
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitpid(pid, 0)[1]
