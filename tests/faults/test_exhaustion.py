"""Limits reached, lowered, and reached by others: a typed error, earlier secrets intact and locked, recovery."""

from __future__ import annotations

import os

import pytest

from tests.support.programs import run

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root may give up its rights, or lock more than the limit")

PRELUDE = """
import ctypes, mmap, os, resource, sys
from pathlib import Path
import securemem
from securemem import Arena, SecureBytes, fits, purge, statistics
from securemem.exceptions import *
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p

def become(who):
    if who == "ordinary" and os.geteuid() == 0:
        os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
    if who == "user namespace":
        if libc.unshare(0x10000000):  # CLONE_NEWUSER
            print("no user namespace:", os.strerror(ctypes.get_errno())); sys.exit(0)

def lower(limit, to):
    resource.setrlimit(limit, (to, resource.getrlimit(limit)[1]))

def content(number, size):
    return (number.to_bytes(4, "big") * (size // 4 + 1))[:size]

def fill(size, arena=None, most=10**9):
    "Secrets of a size until none more can be made; with the error that said so."
    made = []
    try:
        while len(made) < most:
            made.append(SecureBytes.copy_of(content(len(made), size), arena=arena))
    except SecureMemError as caught:
        caught.__traceback__ = None  # its frames hold the list
        return made, caught
    return made, None

def check(made, size):
    "All are as they were, and every page of theirs is locked."
    assert all(secret == content(number, size) for number, secret in enumerate(made))
    now = statistics()
    assert now.locked_bytes == now.page_bytes > 0, now
    assert now.process_locked >= now.locked_bytes, now
    for secret in (made[0], made[len(made) // 2], made[-1]):
        found = secret.protection
        assert found.locked and found.dump_excluded and found.guarded and found.closed, found

class Others:
    "Somebody else's mappings: as many as the kernel lets this process have, and none again."
    def __init__(self):
        count = int(Path("/proc/sys/vm/max_map_count").read_text())
        self.length = count * mmap.PAGESIZE
        self.address = libc.mmap(None, ctypes.c_size_t(self.length), 0, 0x4022, -1, 0)  # private, anonymous, noreserve
        assert self.address not in (None, ctypes.c_void_p(-1).value)
        for page in range(0, count, 2):
            if libc.mprotect(ctypes.c_void_p(self.address + page * mmap.PAGESIZE), ctypes.c_size_t(mmap.PAGESIZE), 1):
                assert ctypes.get_errno() == 12  # ENOMEM
                return
        raise AssertionError("the limit was not reached")
    def go(self):
        assert libc.munmap(ctypes.c_void_p(self.address), ctypes.c_size_t(self.length)) == 0
"""


def program(body: str, **options) -> str:
    """Run a program with the means above; skips where it says that it cannot have a user namespace."""
    said = run(PRELUDE + body, **options)
    if said.startswith("no user namespace"):
        pytest.skip(said.strip())
    return said


ORDINARY = ["ordinary", "user namespace"]


@pytest.mark.parametrize("who", ORDINARY)
@pytest.mark.parametrize(("limit", "size"), [(64 << 10, 32), (64 << 10, 4088), (8 << 20, 4088), (8 << 20, 100_000)])
def test_lock_limit_binds(who, limit, size):
    """At RLIMIT_MEMLOCK: LockLimitError with the figures, as many as fits() foretold, recovery by one wipe."""
    program(f"""
limit, size = {limit}, {size}
lower(resource.RLIMIT_MEMLOCK, limit)
become("{who}")
assert statistics().lock_limit == limit
foretold = fits(size)
made, error = fill(size)
assert type(error) is LockLimitError and isinstance(error, MemoryError), repr(error)
assert error.limit == limit and error.wanted > 0 and error.used + error.wanted > limit >= error.used, error
assert str(limit) in str(error) and "ulimit -l" in str(error)
assert len(made) == foretold, (len(made), foretold)
assert fits(size) == 0
check(made, size)
made.pop().wipe()
made.append(SecureBytes.copy_of(content(len(made), size)))
check(made, size)
purge()
del made
again, error = fill(size)
assert type(error) is LockLimitError and len(again) == foretold, (len(again), foretold)
""")


@pytest.mark.parametrize("who", ORDINARY)
@pytest.mark.parametrize("size", [32, 100_000])
def test_limit_zero(who, size):
    """At limit 0 the very first secret is refused, its source unharmed; once the limit is raised it can be made."""
    program(f"""
lower(resource.RLIMIT_MEMLOCK, 0)
become("{who}")
source = bytearray(content(7, {size}))
for turn in range(3):
    try:
        SecureBytes.take(source)
    except LockLimitError as error:
        assert (error.limit, error.used) == (0, 0), error
    else:
        raise AssertionError("made without a lock")
assert source == content(7, {size})
assert fits({size}) == 0
now = statistics()
assert (now.page_bytes, now.runs, now.mappings, now.live_secrets) == (0, 0, 0, 0), now
lower(resource.RLIMIT_MEMLOCK, 1 << 20)
secret = SecureBytes.take(source)
assert secret == content(7, {size}) and secret.protection.locked and not any(source)
""")


@needs_root
@pytest.mark.parametrize("limit", [0, 64 << 10, 8 << 20])
def test_root_is_not_bound(limit):
    """With CAP_IPC_LOCK the limit does not bind: more than it is made, all of it locked, and statistics say so."""
    program(f"""
lower(resource.RLIMIT_MEMLOCK, {limit})
assert statistics().lock_limit is None
size = 100_000
made, error = fill(size, most={limit} // size + 20)
assert error is None, error
assert statistics().locked_bytes > {limit}
check(made, size)
""")


@pytest.mark.parametrize("who", ORDINARY)
def test_limit_lowered_while_secrets_live(who):
    """A limit lowered below what is locked: all stays locked, free slots serve, growth is refused until raised."""
    program(f"""
lower(resource.RLIMIT_MEMLOCK, 8 << 20)
become("{who}")
size = 4088
made, error = fill(size, most=300)
assert error is None
lower(resource.RLIMIT_MEMLOCK, 64 << 10)
check(made, size)
free = fits(size)
rest, error = fill(size)
assert type(error) is LockLimitError and error.limit == 64 << 10 < error.used, error
assert len(rest) == free, (len(rest), free)
check(made, size)
del rest[-1]
rest.append(SecureBytes.copy_of(content(len(rest), size)))
try:
    SecureBytes.zeros(100_000)
except LockLimitError:
    pass
else:
    raise AssertionError("a large run was locked beyond the limit")
check(made, size)
lower(resource.RLIMIT_MEMLOCK, 8 << 20)
more, error = fill(size, most=200)
assert error is None
check(made, size); check(more, size)
""")


def test_address_space_limit():
    """RLIMIT_AS: OutOfMemoryError, earlier secrets intact and locked, recovery when it is raised."""
    program("""
size = 200_000
before, error = fill(size, most=3)
assert error is None
reserve = mmap.mmap(-1, 2 << 20)  # for this program's own needs at the limit
expected = content(9, 4 * size)
source = bytearray(expected)
held = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
lower(resource.RLIMIT_AS, held + (3 << 20))
made, error = fill(size)
assert type(error) is OutOfMemoryError and isinstance(error, MemoryError), repr(error)
assert "RLIMIT_AS" in str(error) and "mmap" in str(error), error
assert 3 <= len(made) <= 15, len(made)
try:
    SecureBytes.take(source)
except OutOfMemoryError:
    assert source == expected
else:
    raise AssertionError("made beyond the limit")
reserve.close()
check(before, size); check(made, size)
del made[-1]
made.append(SecureBytes.copy_of(content(len(made), size)))
lower(resource.RLIMIT_AS, resource.RLIM_INFINITY)
more, error = fill(size, most=20)
assert error is None
check(before, size); check(made, size); check(more, size)
""")


def test_mappings_used_up_by_others():
    """Others take all of vm.max_map_count: creating is refused; windows on guarded pages still open and close."""
    program("""
size = 4088
made, error = fill(size, most=200)
large = SecureBytes.copy_of(content(1, 100_000))
shut = Arena()
keep = [SecureBytes.zeros(8) for _ in range(64)]  # warms Python's own memory for what follows
errors = []
others = Others()
try:
    for wanted, arena in ((100_000, None), (32, shut), (2000, None)):
        for turn in range(3):
            try:
                SecureBytes.zeros(wanted, arena=arena)
            except (OutOfMemoryError, ProtectionError) as error:
                errors.append(type(error))
    intact = all(secret == content(number, size) for number, secret in enumerate(made))
    intact = intact and large == content(1, 100_000)
    now = statistics()
finally:
    others.go()
assert len(errors) == 9, errors
assert intact
assert (now.failed_closes, now.stuck_pages, now.open_windows, now.pending_wipes) == (0, 0, 0, 0), now
check(made, size)
for wanted, arena in ((100_000, None), (32, shut), (2000, None)):
    assert SecureBytes.zeros(wanted, arena=arena).protection.locked
""")


# Python's own arenas need mappings; malloc goes on with brk(2) where there are none.
FROM_MALLOC = {"PYTHONMALLOC": "malloc"}
SPARSE = """
size = 4088
arena = Arena()
# Beyond its share of the mappings an arena puts no guards between pages: only there can the kernel refuse a window.
def add(count):
    for number in range(len(made), len(made) + count):
        made.append(SecureBytes.copy_of(content(number, size), arena=arena))
made, guarded = [], True
add(127)  # runs of 1, 2, 4 ... 64 pages; the later ones have 64 each
while guarded:
    before, first = arena.statistics(), len(made)
    add(64)
    after = arena.statistics()
    assert after.runs == before.runs + 1, after
    guarded = after.mappings - before.mappings > 64
assert arena.statistics().page_bytes == len(made) * mmap.PAGESIZE
middle = first + 30
warm = [made[0].protection, statistics()]
"""


@needs_root
def test_closings_that_fail_are_counted_shown_and_repeated():
    """A page that the kernel will not close is counted and shown in .protection, and closed once it can be."""
    program(
        SPARSE
        + """
views = [memoryview(made[middle + step]) for step in (-1, 0, 1)]
others = Others()
try:
    views[1].release()
    refused = statistics()
    shown = made[middle].protection
    right = made[middle] == content(middle, size)
    again = statistics()
finally:
    others.go()
assert (refused.failed_closes, refused.stuck_pages, refused.open_windows) == (1, 1, 2), refused
assert shown.failed_close and not shown.closed and shown.locked, shown
assert right
assert again.stuck_pages == 1 and again.failed_closes >= 1, again
views[0].release()  # any closing repeats those that failed
found = made[middle].protection
assert not found.failed_close and found.closed, found
assert statistics().stuck_pages == 0
views[2].release()
assert statistics().open_windows == 0
check(made, size)
""",
        environment=FROM_MALLOC,
    )


@needs_root
@pytest.mark.parametrize("repeat", ["statistics()", "purge()", "arena.close()", "SecureBytes.zeros(8, arena=arena)"])
def test_wipes_that_fail_are_repeated(repeat):
    """A page that the kernel will not open to be wiped: ProtectionError, pending, wiped and freed when it can be."""
    program(
        SPARSE
        + f"""
secret = made[middle]
dropped = made[middle + 7]
made[middle] = made[middle + 7] = None
others = Others()
try:
    refused = []
    for use in (secret.wipe, lambda: memoryview(secret)):
        try:
            use()
        except (ProtectionError, WipedError) as error:
            refused.append(type(error))
    del dropped
    pending = statistics()
    neighbour = made[middle - 20]
    try:
        memoryview(neighbour)
    except OutOfMemoryError as error:
        refused.append(type(error))
finally:
    others.go()
assert refused == [ProtectionError, WipedError, OutOfMemoryError], refused
assert pending.pending_wipes == 2 and pending.live_secrets == len(made), pending
assert secret.wiped
if {repeat!r} != "arena.close()":
    assert neighbour == content(middle - 20, size)
{repeat}
del neighbour
secret.wipe()
now = statistics()
assert now.pending_wipes == 0, now
if {repeat!r} in ("statistics()", "SecureBytes.zeros(8, arena=arena)"):
    assert now.live_secrets == len(made) - 2, now
secret = use = made = None
arena.close()
del arena
now = statistics()
assert (now.runs, now.page_bytes, now.mappings, now.live_secrets) == (0, 0, 0, 0), now
""",
        environment=FROM_MALLOC,
    )
