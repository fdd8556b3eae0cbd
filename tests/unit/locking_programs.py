"""Child programs for the tests of locking: each runs in a process of its own, as root or as an ordinary user."""

from __future__ import annotations

import mmap
import subprocess
import sys

PAGE = mmap.PAGESIZE

PRELUDE = """
import ctypes, mmap, os, resource, signal, sys
import securemem
from securemem import exceptions, locking
from securemem._memory_map import mappings, status_kib
PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)

def anonymous(pages):
    "Private memory of our own, and its address."
    memory = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:] = b"x" * len(memory)
    return memory, ctypes.addressof(ctypes.c_char.from_buffer(memory))

def flags(address):
    "VmFlags of the mapping at an address."
    return next(one.flags for one in mappings() if one.start <= address < one.end)

def become_ordinary(limit=None):
    "Drop root, with a limit of so many bytes."
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)

def raises(kind, call):
    "The exception of exactly that kind."
    try:
        call()
    except kind as error:
        assert type(error) is kind, repr(error)
        return error
    raise AssertionError(f"no {kind.__name__}")

def in_child(work):
    "Do it in a forked child; its exit status."
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitpid(pid, 0)[1]
"""


def run(code: str, *, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the code after the prelude."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )


def passes(code: str, *, environment: dict[str, str] | None = None) -> str:
    """Run the code and assert that it ended well; what it printed."""
    done = run(code, environment=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
