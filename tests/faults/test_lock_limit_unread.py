"""The lock limit where what is locked cannot be read: no descriptor is left, or /proc is not there."""

from __future__ import annotations

import os

import pytest

from tests.support.programs import run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes an ordinary user at a small limit")

PROGRAM = """
import ctypes, mmap, os, resource
import securemem
from securemem import exceptions
from securemem import Arena, LockLimitError, SecureBytes, locking
from securemem.exceptions import LockPermissionError
os.setgroups([]); os.setgid(65534); os.setuid(65534)
def fill(arena):
    kept = []
    try:
        while True:
            kept.append(SecureBytes.random(4096, arena=arena))
    except LockLimitError as error:
        return kept, error.with_traceback(None)  # whose frame would keep the secrets
def leave_no_descriptor():
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    try:
        while True:
            os.dup(1)
    except OSError:
        pass
"""
READ = """
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
arena = Arena()
kept, told = fill(arena)
assert (told.limit, told.used) == (65536, 65536), (told.limit, told.used)
del kept
leave_no_descriptor()
"""
CHECK = """
kept, error = fill(arena)
assert type(error) is LockLimitError, error
assert (error.limit, error.used, error.wanted) == (65536, 65536, 4096), str(error)
assert len(kept) == 16 and not error.of_user
now = securemem.statistics()
assert now.process_locked == 65536 and now.lock_limit == 65536
assert securemem.fits(32) == 0 and arena.fits(4096) == 0
assert locking.locked_bytes() == 65536
del kept[-1]  # room is made
assert len(SecureBytes.random(4096, arena=arena)) == 4096
"""


def test_without_descriptors():
    """The same error with the same figures as with a descriptor, and room is made."""
    run(PROGRAM + READ + CHECK)


def test_without_proc():
    """The same where there is no /proc, which the process never read."""
    hide = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x20000) or libc.mount(b"none", b"/", None, (1 << 18) | (1 << 14), None):
    print("not permitted")
    raise SystemExit
assert libc.mount(b"none", b"/proc", b"tmpfs", 0, None) == 0
assert not os.path.exists("/proc/self")
"""
    first, second = PROGRAM.split("os.setgroups", 1)
    said = run(
        f"{first}{hide}os.setgroups{second}\nresource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))\n"
        f"arena = Arena()\n{CHECK}"
    )
    if said:
        pytest.skip("an own mount namespace is not permitted here")


@pytest.mark.parametrize("limit", [0, 65536])
def test_idle_memory_is_given_back_first(limit):
    """Memory that lies idle in another arena makes room without /proc too; at limit 0 none can, and it says so."""
    run(
        PROGRAM
        + f"""
resource.setrlimit(resource.RLIMIT_MEMLOCK, ({limit}, {limit}))
leave_no_descriptor()
if {limit} == 0:
    try:
        SecureBytes.random(32)
    except LockPermissionError as error:
        assert error.limit == 0
    else:
        raise AssertionError("locked at limit 0")
else:
    idle = SecureBytes.random(60_000)
    del idle  # cached, and still locked
    assert securemem.statistics().locked_bytes > 32768
    other = SecureBytes.random(40_000, arena=Arena())
    assert other.wiped is False
"""
    )


def test_a_locked_range_without_proc_is_judged():
    """mlock() of more than the limit leaves is LockLimitError, of a hole UnmappedError, though smaps cannot be read."""
    run(
        PROGRAM
        + """
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
memory = mmap.mmap(-1, 1 << 20)
where = ctypes.addressof(ctypes.c_char.from_buffer(memory))
leave_no_descriptor()
try:
    locking.mlock(memory)
except LockLimitError as error:
    assert (error.limit, error.wanted) == (65536, 1 << 20)
else:
    raise AssertionError("locked a megabyte")
ctypes.CDLL(None).munmap(ctypes.c_void_p(where + 4096), ctypes.c_size_t(4096))
try:
    locking.mlock(memoryview(memory)[:16384])
except exceptions.UnmappedError:
    pass
else:
    raise AssertionError("locked a hole")
os._exit(0)  # the mmap object would unmap what is not there
"""
    )
