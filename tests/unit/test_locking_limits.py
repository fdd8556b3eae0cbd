"""The limits, as root and as an ordinary user with 0, 64 KiB and 8 MiB; and every errno that a machine can provoke."""

from __future__ import annotations

import os

import pytest

from tests.support.locking_programs import passes

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: drops root, or locks more than the limit")

KIB = 1 << 10
MIB = 1 << 20


def test_limit_zero_locks_nothing():
    """At limit 0 without CAP_IPC_LOCK (EPERM) every call says LockPermissionError, and nothing was locked."""
    passes("""
memory, where = anonymous(1)
become_ordinary(0)
for call in (lambda: locking.mlock(memory), lambda: locking.mlock(memory, on_fault=True), locking.mlockall,
             lambda: locking.mlockall(current=False, future=True)):
    over = raises(exceptions.LockPermissionError, call)
    assert isinstance(over, (exceptions.LockLimitError, PermissionError, MemoryError))
    assert over.limit == 0 == over.used and over.wanted >= 0 and "RLIMIT_MEMLOCK" in str(over)
assert locking.locked_bytes() == 0 and not locking.is_locked(memory)
limit = locking.lock_limit()
assert limit == locking.LockLimit(0, 0, 0, 0, unlimited=False)
assert securemem.locking.verify_locks().intact and locking.munlockall().unlocked_bytes == 0
""")


@pytest.mark.parametrize("limit", [64 * KIB, 8 * MIB])
def test_ordinary_user_locks_up_to_the_limit(limit):
    """The limit can be used to the last page; beyond it LockLimitError has the figures, and nothing was changed."""
    passes(f"""
LIMIT = {limit}
memory, where = anonymous(LIMIT // PAGE + 1)
become_ordinary(LIMIT)
full = locking.mlock(memoryview(memory)[:LIMIT])
assert locking.lock_limit() == locking.LockLimit(LIMIT, LIMIT, LIMIT, 0, unlimited=False)
again = locking.mlock(memoryview(memory)[:PAGE])           # what is locked is not charged twice
over = raises(exceptions.LockLimitError, lambda: locking.mlock(memory))
assert (over.limit, over.used, over.wanted) == (LIMIT, LIMIT, len(memory))
assert locking.locked_bytes() == LIMIT and locking.is_locked(memoryview(memory)[:LIMIT])
raises(exceptions.LockLimitError, lambda: locking.mlock(memoryview(memory)[LIMIT:], on_fault=True))
full.unlock()
assert locking.locked_bytes() == PAGE
again.unlock()
with locking.mlock(memoryview(memory)[PAGE:]):
    pass
assert locking.lock_limit().available == LIMIT
""")


def test_root_is_not_bound():
    """CAP_IPC_LOCK, found by trial, lifts the limit."""
    passes("""
resource.setrlimit(resource.RLIMIT_MEMLOCK, (PAGE, PAGE))
memory, where = anonymous(16)
limit = locking.lock_limit()
assert limit.unlimited and limit.available is None and limit.soft == limit.hard == PAGE
with locking.mlock(memory):
    assert locking.locked_bytes() == 16 * PAGE
""")


def test_capability_in_a_user_namespace_is_not_believed():
    """Root of a user namespace has CAP_IPC_LOCK in its sets and is bound all the same: the trial tells."""
    passes("""
resource.setrlimit(resource.RLIMIT_MEMLOCK, (PAGE, PAGE))
become_ordinary()
if libc.unshare(0x10000000) != 0:   # CLONE_NEWUSER
    print("no user namespaces here:", os.strerror(ctypes.get_errno()))
    sys.exit()
effective = next(line for line in open("/proc/self/status") if line.startswith("CapEff:"))
assert int(effective.split()[1], 16) & 1 << 14, effective  # CAP_IPC_LOCK
assert not locking.lock_limit().unlimited
memory, where = anonymous(2)
raises(exceptions.LockLimitError, lambda: locking.mlock(memory))
""")


def test_raise_lock_limit_goes_up_to_the_hard_limit():
    """The soft limit is raised to what was asked for, never lowered, never above the hard one."""
    passes("""
resource.setrlimit(resource.RLIMIT_MEMLOCK, (4 * PAGE, 64 * PAGE))
become_ordinary()
memory, where = anonymous(8)
raises(exceptions.LockLimitError, lambda: locking.mlock(memory))
assert locking.raise_lock_limit(8 * PAGE).soft == 8 * PAGE
with locking.mlock(memory):
    pass
assert locking.raise_lock_limit(PAGE).soft == 8 * PAGE
over = raises(exceptions.HardLimitError, lambda: locking.raise_lock_limit(64 * PAGE + 1))
assert isinstance(over, PermissionError) and str(64 * PAGE) in str(over)
assert resource.getrlimit(resource.RLIMIT_MEMLOCK) == (8 * PAGE, 64 * PAGE)
assert locking.raise_lock_limit(64 * PAGE).soft == 64 * PAGE
""")


def test_mlockall_larger_than_the_limit():
    """An ordinary user whose process is larger than the limit gets LockLimitError, and nothing is locked."""
    passes("""
become_ordinary(8 << 20)
over = raises(exceptions.LockLimitError, locking.mlockall)
assert over.limit == 8 << 20 and over.wanted > over.limit and over.used == 0
assert locking.locked_bytes() == 0
locking.mlockall(current=False, future=True)  # the kernel allows this, and charges what comes
""")


def test_munlockall_refused_changes_nothing():
    """Where MCL_FUTURE cannot be cancelled without a gap, munlockall() raises first; allow_gap=True tells the gap."""
    passes("""
become_ordinary(8 << 20)
secrets = [securemem.SecureBytes.random(32) for _ in range(300)]
memory, where = anonymous(4)
other, there = anonymous(4)
lock = locking.mlock(memory)
assert libc.mlock(ctypes.c_void_p(there), 4 * PAGE) == 0
locking.mlockall(current=False, future=True)
before = locking.locked_bytes()
over = raises(exceptions.LockLimitError, locking.munlockall)
assert over.limit == 8 << 20 and over.wanted > over.limit
assert locking.is_locked(other) and locking.locked_bytes() >= before
done = locking.munlockall(allow_gap=True)
kept = securemem.statistics().locked_bytes + 4 * PAGE
assert done.gap_bytes == kept == locking.locked_bytes() and 0 < done.gap_seconds < 5
assert not locking.is_locked(other) and locking.is_locked(memory)
assert all(secret.protection.locked and secret.protection.closed for secret in secrets)
assert not locking.is_locked(anonymous(1)[0]) and securemem.locking.verify_locks().intact
assert locking.munlockall() == locking.Unlocking(0, 0, 0.0)
""")


def test_munlockall_without_future_needs_no_privilege():
    """Without MCL_FUTURE nothing has to be cancelled: an ordinary user's munlockall() has no gap and no refusal."""
    passes("""
memory, where = anonymous(4)
become_ordinary(8 << 20)
secret = securemem.SecureBytes.random(32)
assert libc.mlock(ctypes.c_void_p(where), 4 * PAGE) == 0
assert locking.munlockall() == locking.Unlocking(4 * PAGE, 0, 0.0)
assert secret.protection.locked
""")


def test_gap_is_refused_where_locks_would_not_fit_again():
    """allow_gap=True unlocks nothing that the limit would not let it lock again."""
    passes("""
secrets = [securemem.SecureBytes.random(4000) for _ in range(64)]
spare = [bytes(64 if turn % 20 else 4_000) for turn in range(20_000)]  # small objects, and what malloc serves
locking.mlockall(current=False, future=True)
become_ordinary(16 * PAGE)
del spare[5_000:15_000]  # for Python itself: from here on the kernel gives the process no more memory
before = locking.locked_bytes()
raises(exceptions.LockLimitError, lambda: locking.munlockall(allow_gap=True))
assert locking.locked_bytes() >= before and secrets[0].protection.locked
""")


def test_repair_that_does_not_fit_is_an_error():
    """verify_locks() that cannot lock again says LockLostError with the bytes, after repairing what it could."""
    passes("""
secrets = [securemem.SecureBytes.random(4000) for _ in range(64)]
assert libc.munlockall() == 0
become_ordinary(16 * PAGE)
lost = raises(exceptions.LockLostError, securemem.locking.verify_locks)
assert lost.unlocked == securemem.statistics().locked_bytes - locking.locked_bytes() and lost.errno == 12
assert locking.locked_bytes() == 16 * PAGE
""")


def test_overflow_is_a_range_error():
    """A range past the end of the address space (EINVAL) is refused before any call."""
    passes("""
wild = (ctypes.c_char * (4 * PAGE)).from_address(2**64 - PAGE)
error = raises(exceptions.LockRangeError, lambda: locking.mlock(wild))
assert error.errno == 22 and isinstance(error, ValueError)
assert libc.mlock(ctypes.c_void_p(2**64 - 2 * PAGE), ctypes.c_size_t(2**64 - PAGE)) == -1 and ctypes.get_errno() == 22
""")


def test_hole_rolls_back_to_the_counts():
    """A hole is UnmappedError; the kernel leaves what came before it locked, we leave what was counted."""
    passes("""
memory, where = anonymous(6)
assert libc.munmap(ctypes.c_void_p(where + 4 * PAGE), PAGE) == 0
whole = (ctypes.c_char * (6 * PAGE)).from_address(where)
def locked():
    return [locking.is_locked((ctypes.c_char * PAGE).from_address(where + i * PAGE)) for i in range(6)]
# the control: the kernel's failed call has partial effect
assert libc.mlock(ctypes.c_void_p(where), 6 * PAGE) == -1 and ctypes.get_errno() == 12
assert locked() == [1, 1, 1, 1, 0, 0]
libc.munlock(ctypes.c_void_p(where), 4 * PAGE)
kept = locking.mlock((ctypes.c_char * PAGE).from_address(where + PAGE))
for on_fault in (False, True):
    error = raises(exceptions.UnmappedError, lambda: locking.mlock(whole, on_fault=on_fault))
    assert error.errno == 12 and isinstance(error, ValueError)
    assert locked() == [0, 1, 0, 0, 0, 0], locked()
kept.unlock()
assert locking.locked_bytes() == 0
os._exit(0)
""")


def test_no_access_is_unmapped_and_leaves_no_charge():
    """On PROT_NONE the kernel says ENOMEM yet keeps the lock and the charge; ours takes both back."""
    passes("""
memory, where = anonymous(4)
assert libc.mprotect(ctypes.c_void_p(where + PAGE), PAGE, 0) == 0
part = (ctypes.c_char * (4 * PAGE)).from_address(where)
assert libc.mlock(ctypes.c_void_p(where), 4 * PAGE) == -1 and locking.locked_bytes() == 4 * PAGE   # the control
libc.munlock(ctypes.c_void_p(where), 4 * PAGE)
raises(exceptions.UnmappedError, lambda: locking.mlock(part))
assert locking.locked_bytes() == 0
""")


def test_page_past_the_end_of_its_file():
    """A mapping longer than its file cannot be brought in: UnmappedError, and no charge is left."""
    passes("""
file = os.memfd_create("short")
os.truncate(file, 4 * PAGE)
memory = mmap.mmap(file, 4 * PAGE)
os.truncate(file, PAGE)
raises(exceptions.UnmappedError, lambda: locking.mlock(memory))
assert locking.locked_bytes() == 0
with locking.mlock(memoryview(memory)[:PAGE]):
    pass
""")


def test_too_many_mappings():
    """At vm.max_map_count a lock that splits a mapping is MappingLimitError, and nothing of it stays locked.

    An unlock that would have to split is MappingLimitError too: the pages stay locked and the PageLock is given back.
    """
    passes("""
most = int(open("/proc/sys/vm/max_map_count").read())
memory, where = anonymous(9)
part = memoryview(memory)[4 * PAGE : 5 * PAGE]
whole, middle = locking.mlock(memory), locking.mlock(part)
pieces = mmap.mmap(-1, (most + 100) * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)  # NORESERVE
there = ctypes.addressof(ctypes.c_char.from_buffer(pieces))
page = 0
while libc.mprotect(ctypes.c_void_p(there + page * PAGE), PAGE, 1) == 0:
    page += 2
assert ctypes.get_errno() == 12
raises(exceptions.MappingLimitError, whole.unlock)   # the middle must stay, so two pieces would have to be cut off
assert not whole.held and middle.held and locking.is_locked(part)
before = locking.locked_bytes()
inner = memoryview(pieces)[(page + 41) * PAGE : (page + 42) * PAGE]
for on_fault in (False, True):
    error = raises(exceptions.MappingLimitError, lambda: locking.mlock(inner, on_fault=on_fault))
    assert isinstance(error, exceptions.CapacityError) and "max_map_count" in str(error)
    assert locking.locked_bytes() == before and not locking.is_locked(inner)
assert securemem.locking.verify_locks().intact
for i in range(0, 200, 2):
    libc.mprotect(ctypes.c_void_p(there + i * PAGE), PAGE, 3)   # make room again
middle.unlock()
locking.munlockall()
assert locking.locked_bytes() == 0
""")


def test_large_limit_needs_no_capability():
    """An ordinary user whose limit is above the process's size locks all of it, and unlocks it without a gap."""
    told = passes("""
try:
    become_ordinary(1 << 32)
except ValueError:
    print("no CAP_SYS_RESOURCE")
    sys.exit()
secret = securemem.SecureBytes.random(32)
locking.mlockall(future=True)
assert not locking.lock_limit().unlimited and locking.is_locked(anonymous(1)[0])
done = locking.munlockall()
assert done.unlocked_bytes > 0 and done.gap_bytes == 0 and secret.protection.locked
assert not locking.is_locked(anonymous(1)[0])
""")
    if "CAP_SYS_RESOURCE" in told:
        pytest.skip("root may not raise the hard limit here: CAP_SYS_RESOURCE is missing")


def test_without_smaps_nothing_is_changed():
    """Where /proc is not mounted, what needs smaps says so before changing anything; page locks work."""
    passes("""
memory, where = anonymous(2)
lock = locking.mlock(memory)
locking.mlockall(future=True)
assert libc.unshare(0x20000) == 0                                   # CLONE_NEWNS
assert libc.mount(b"none", b"/", None, 1 << 18 | 1 << 14, None) == 0  # MS_PRIVATE | MS_REC
assert libc.umount2(b"/proc", 2) == 0                               # MNT_DETACH
for call in (securemem.locking.verify_locks, locking.munlockall, lambda: locking.is_locked(memory)):
    error = raises(exceptions.LockError, call)
    assert "/proc" in str(error) and error.errno == 2
with locking.mlock(memory):
    pass
assert lock.held
""")
