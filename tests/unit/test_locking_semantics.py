"""What a lock means when the process forks, execs, unmaps, truncates, drops privileges: docs/reference/locking.md.

Each test is a process of its own; most need root or CAP_IPC_LOCK, which the test machine has.
"""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.locking_programs import passes, run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: locks the whole process, drops root, makes swap")


def test_fork_does_not_inherit_locks():
    """In a child nothing is locked, PageLocks are void, unlock() does nothing, and the parent's lock is untouched."""
    passes("""
memory, where = anonymous(4)
lock = locking.mlock(memory)
def child():
    assert status_kib("VmLck") == 0
    assert not lock.held and not locking.is_locked(memory)
    own = locking.mlock(memory)           # the child's own lock on the same addresses
    lock.unlock()                         # void: it must not take the child's away
    assert own.held and locking.is_locked(memory)
    assert securemem.locking.verify_locks() == locking.Verification(0, 4 * PAGE, 0, 0, 0, 0)
    own.unlock()
    assert not locking.is_locked(memory)
assert in_child(child) == 0
assert lock.held and locking.is_locked(memory)
""")


def test_raw_clone_voids_locks_too():
    """A child that no fork handler was told of finds the counts void as well."""
    passes("""
memory, where = anonymous(1)
lock = locking.mlock(memory)
pid = libc.syscall(56 if os.uname().machine == "x86_64" else 220, 17, 0, 0, 0, 0)
if pid == 0:
    status = 1
    try:
        assert not lock.held
        lock.unlock()
        assert securemem.locking.verify_locks().lock_bytes == 0
        status = 0
    finally:
        os._exit(status)
assert os.waitpid(pid, 0)[1] == 0
assert lock.held and locking.is_locked(memory)
""")


def test_copy_on_write_copies_of_a_child_are_unlocked():
    """A child that writes to a page locked in its parent writes to an unlocked copy; the parent's stays locked."""
    passes("""
memory, where = anonymous(16)
with locking.mlock(memory):
    def child():
        memory[:] = b"y" * len(memory)
        here = next(one for one in mappings() if one.start <= where < one.end)
        assert here.sizes["Rss"] >= 16 * PAGE // 1024 and here.sizes["Locked"] == 0 and not here.locked
    assert in_child(child) == 0
    here = next(one for one in mappings() if one.start <= where < one.end)
    assert here.sizes["Locked"] == 16 * PAGE // 1024
""")


def test_copy_on_write_after_fork_costs_faults():
    """Locked pages written before a fork cost no fault; after it each write is one, until it was copied."""
    passes("""
pages = 64
memory, where = anonymous(pages)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    ctypes.memset(where, 1, pages * PAGE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
with locking.mlock(memory):
    faults()
    assert faults() == 0
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.read(reading, 1)   # hold the shared pages until the parent has written
        os._exit(0)
    assert faults() >= pages
    assert faults() == 0
    os.close(writing)
    os.waitpid(pid, 0)
    assert locking.is_locked(memory)
""")


def test_exec_clears_locks():
    """A new program starts with nothing locked, mlockall(future=True) included."""
    told = passes("""
memory, where = anonymous(4)
lock = locking.mlock(memory)
locking.mlockall(future=True)
assert locking.locked_bytes() > 4 * PAGE
os.execv(sys.executable, [sys.executable, "-c",
    "import mmap; from securemem import locking\\n"
    "print(locking.locked_bytes(), locking.is_locked(mmap.mmap(-1, 4096)))"])
""")
    assert told.split() == ["0", "False"]


def test_unmapping_ends_the_lock():
    """Memory unmapped behind the buffer: verify_locks() counts it as gone, unlock() unlocks what is left."""
    passes("""
memory, where = anonymous(5)
lock = locking.mlock(memory)
assert libc.munmap(ctypes.c_void_p(where + 2 * PAGE), PAGE) == 0
assert locking.locked_bytes() == 4 * PAGE
assert not locking.is_locked(memory)
found = securemem.locking.verify_locks()
assert found.gone_bytes == PAGE and found.repaired_lock_bytes == 0 and not found.intact, found
lock.unlock()
assert locking.locked_bytes() == 0
assert securemem.locking.verify_locks().intact
os._exit(0)  # the mmap object would unmap what is not its own any more
""")


def test_shared_pages_stay_locked_through_another_mapping():
    """Two mappings of one file, both locked: unlocking one leaves the frames locked through the other."""
    passes("""
file = os.memfd_create("shared")
os.truncate(file, 4 * PAGE)
one, two = mmap.mmap(file, 4 * PAGE), mmap.mmap(file, 4 * PAGE)
first, second = locking.mlock(one), locking.mlock(two)
first.unlock()
assert not locking.is_locked(one) and locking.is_locked(two)
where = ctypes.addressof(ctypes.c_char.from_buffer(two))
# MADV_PAGEOUT (21) on the unlocked mapping must not push out frames that the other one locks.
libc.madvise(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(one))), 4 * PAGE, 21)
here = next(m for m in mappings() if m.start <= where < m.end)
assert here.sizes["Rss"] == 4 * PAGE // 1024 and here.sizes["Swap"] == 0, here
assert securemem.locking.verify_locks().intact
""")


def test_truncated_locked_file_raises_sigbus():
    """A lock keeps pages, not files: past the end of a truncated file a locked mapping faults; unlock() still works."""
    ended = run("""
file = os.memfd_create("truncated")
os.truncate(file, 4 * PAGE)
memory = mmap.mmap(file, 4 * PAGE)
lock = locking.mlock(memory)
os.truncate(file, PAGE)
assert memory[0] == 0
if os.fork() == 0:
    memory[2 * PAGE]
    os._exit(0)
status = os.wait()[1]
lock.unlock()
assert not locking.is_locked(memory)
os.kill(os.getpid(), os.WTERMSIG(status))
""")
    assert ended.returncode == -signal.SIGBUS, ended.stderr


def test_privileges_dropped_after_future():
    """After mlockall(future=True) and loss of privilege, mappings beyond the limit fail: secrets by LockLimitError."""
    passes("""
locking.mlockall(future=True)
become_ordinary(64 << 10)
try:
    mmap.mmap(-1, 16 << 20)
except OSError as failed:
    import errno
    assert failed.errno == errno.EAGAIN
else:
    raise AssertionError("mapped beyond the limit")
over = raises(exceptions.LockLimitError, lambda: securemem.SecureBytes.zeros(32))
assert over.limit == 64 << 10 and over.used > over.limit
""")


def test_stack_growth_under_a_full_limit_kills():
    """A locked stack that must grow at the limit is SIGSEGV; the same stack, reserved before, is not."""
    program = """
{reserve}
locking.mlockall(current=True)
become_ordinary(64 << 10)
locking.reserve_stack(1 << 20)
"""
    assert run(program.format(reserve="")).returncode == -signal.SIGSEGV
    passes(program.format(reserve="locking.reserve_stack((1 << 20) + (64 << 10))"))


def test_device_mappings_are_passed_over():
    """The kernel takes a lock on a device-like mapping and locks nothing; is_locked() says so."""
    passes("""
vvar = next(one for one in mappings() if one.name == "[vvar]")
buffer = (ctypes.c_char * PAGE).from_address(vvar.start)
with locking.mlock(buffer) as lock:
    assert lock.held and not locking.is_locked(buffer)
    assert locking.locked_bytes() == 0
    assert securemem.locking.verify_locks().intact
""")


def test_huge_page_files_are_passed_over():
    """The same for huge page files, which are never swapped anyway; it needs a free huge page, and takes one."""
    passes("""
from pathlib import Path
pool = Path("/proc/sys/vm/nr_hugepages")
before = pool.read_text()
pool.write_text(str(int(before) + 2))
try:
    memory = mmap.mmap(-1, 2 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)  # MAP_HUGETLB
    memory[:4] = b"huge"
    with locking.mlock(memory) as lock:
        assert lock.held and not locking.is_locked(memory) and securemem.locking.verify_locks().intact
    memory.close()
finally:
    pool.write_text(before)
""")


def test_mlockall_current_and_future():
    """`current` locks what is, `future` what comes; a call without future cancels it, as the kernel defines."""
    passes("""
before, where = anonymous(1)
locking.mlockall(current=False, future=True)
after, there = anonymous(1)
assert not locking.is_locked(before) and locking.is_locked(after)
locking.mlockall()
last, _ = anonymous(1)
assert locking.is_locked(before) and not locking.is_locked(last)
locking.mlockall(future=True, on_fault=True)
bare = mmap.mmap(-1, 64 * PAGE)  # shared: it does not merge with a neighbour
there = ctypes.addressof(ctypes.c_char.from_buffer(bare))
assert locking.is_locked(bare)
assert next(m for m in mappings() if m.start <= there < m.end).sizes["Rss"] == 0
""")


def test_page_locks_under_mlockall():
    """While mlockall() is in force, unlock() leaves pages locked; munlockall() unlocks them, but not counted ones."""
    passes("""
one, _ = anonymous(1)
two, _ = anonymous(1)
locking.mlockall()
first, second = locking.mlock(one), locking.mlock(two)
first.unlock()
assert locking.is_locked(one)
done = locking.munlockall()
assert done.unlocked_bytes > 0 and done.gap_bytes == 0
assert not locking.is_locked(one) and locking.is_locked(two)
second.unlock()
assert not locking.is_locked(two) and locking.locked_bytes() == 0
""")


def test_munlockall_leaves_secrets_and_counted_pages():
    """After munlockall() exactly the secrets' and counted pages are locked, MCL_FUTURE is gone, and no gap was."""
    passes("""
closed = [securemem.SecureBytes.random(32) for _ in range(300)]
opened = [securemem.SecureBytes.random(5000, arena=securemem.Arena(at_rest="readwrite")) for _ in range(3)]
memory, where = anonymous(8)
lock = locking.mlock(memoryview(memory)[PAGE : 3 * PAGE])
other, _ = anonymous(2)
assert libc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(other))), PAGE) == 0  # a foreign lock
held = locking.locked_bytes() - PAGE
locking.mlockall(future=True)
assert locking.locked_bytes() > held + 8 * PAGE
done = locking.munlockall()
assert done.unlocked_bytes > 0 and (done.gap_bytes, done.gap_seconds) == (0, 0.0)
assert locking.locked_bytes() == held == securemem.statistics().locked_bytes + 2 * PAGE
assert all(secret.protection.locked for secret in (*closed, *opened))
assert [locking.is_locked(memoryview(memory)[i * PAGE : (i + 1) * PAGE]) for i in range(8)] == [0, 1, 1, 0, 0, 0, 0, 0]
assert not locking.is_locked(other) and not locking.is_locked(anonymous(1)[0])
assert securemem.locking.verify_locks().intact
assert locking.munlockall().unlocked_bytes == 0
""")


WATCHED = """
secrets = [securemem.SecureBytes.random(32) for _ in range(200)]
lock = locking.mlock(bytearray(PAGE))
held = locking.locked_bytes()
reading, writing = os.pipe()
watcher = os.fork()
if watcher == 0:
    os.close(writing)
    os.set_blocking(reading, False)
    samples, lowest = 0, 1 << 62
    while True:
        lowest = min(lowest, status_kib("VmLck", os.getppid()) * 1024)
        samples += 1
        try:
            if os.read(reading, 1) == b"":
                break
        except BlockingIOError:
            pass
    os._exit((lowest < held) if samples > 20 else 2)
for _ in range(20):
    {unlock_everything}
os.close(writing)
print(os.waitstatus_to_exitcode(os.waitpid(watcher, 0)[1]))
"""


def test_munlockall_has_no_gap():
    """Another process that watches VmLck sees our munlockall() never unlock what is ours, and a bare one do it."""
    ours = "locking.mlockall(future=True); locking.munlockall()"
    control = "libc.munlockall(); os.sched_yield(); securemem.locking.verify_locks()"
    assert passes(WATCHED.format(unlock_everything=ours)).strip() == "0"
    assert passes(WATCHED.format(unlock_everything=control)).strip() == "1"


def test_foreign_munlockall_is_found_and_repaired():
    """verify_locks() finds what a bare munlockall() unlocked, locks it again, and says how much it was."""
    passes("""
closed = [securemem.SecureBytes.random(32) for _ in range(300)]
opened = [securemem.SecureBytes.random(5000, arena=securemem.Arena(at_rest="readwrite")) for _ in range(3)]
memory, where = anonymous(4)
full, lazy = locking.mlock(memory), locking.mlock(mmap.mmap(-1, 8 * PAGE), on_fault=True)
before = securemem.locking.verify_locks()
assert before.intact and before.secret_bytes == securemem.statistics().locked_bytes and before.lock_bytes == 12 * PAGE
assert libc.munlockall() == 0
assert not closed[0].protection.locked and not opened[0].protection.locked and not locking.is_locked(memory)
found = securemem.locking.verify_locks()
assert found.repaired_secret_bytes == found.secret_bytes == before.secret_bytes and not found.intact
assert found.repaired_lock_bytes == found.lock_bytes == 12 * PAGE
assert all(secret.protection.locked for secret in (*closed, *opened)) and closed[0].protection.closed
assert locking.is_locked(memory)
assert securemem.locking.verify_locks() == before
""")


def test_partial_foreign_munlock_is_found():
    """One page of a run unlocked by somebody is found and repaired; the rest is not reported."""
    passes("""
memory, where = anonymous(6)
lock = locking.mlock(memory)
assert libc.munlock(ctypes.c_void_p(where + 2 * PAGE), PAGE) == 0
found = securemem.locking.verify_locks()
assert found.repaired_lock_bytes == PAGE and found.repaired_secret_bytes == 0
assert locking.is_locked(memory)
""")


def test_repair_brings_closed_pages_back_from_swap():
    """Closed secrets in real swap after a foreign munlockall are resident, locked and intact after verify_locks()."""
    said = passes("""
import subprocess, tempfile
from pathlib import Path
secrets = [securemem.SecureBytes.random(4000) for _ in range(32)]
import hashlib
digests = [hashlib.sha256(secret).digest() for secret in secrets]
pages = [one for one in mappings() if one.locked]
with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
    swap = Path(folder, "swap")
    swap.write_bytes(bytes(16 << 20))
    swap.chmod(0o600)
    subprocess.run(["mkswap", swap], check=True, stdout=subprocess.DEVNULL)
    added = subprocess.run(["swapon", swap], check=False, capture_output=True, text=True)
    if added.returncode:  # a file system in memory, for one
        print("no swap here:", added.stderr)
        sys.exit()
    try:
        assert libc.munlockall() == 0
        for one in pages:   # MADV_PAGEOUT
            assert libc.madvise(ctypes.c_void_p(one.start), one.end - one.start, 21) == 0, ctypes.get_errno()
        starts = {one.start for one in pages}
        out = sum(one.sizes["Swap"] for one in mappings() if one.start in starts)
        assert out > 0, "nothing was swapped out: the test shows nothing"
        found = securemem.locking.verify_locks()
        assert found.swapped_bytes == out * 1024 and found.repaired_secret_bytes == found.secret_bytes, (found, out)
        here = [one for one in mappings() if one.start in starts]
        assert all(one.locked and one.sizes["Swap"] == 0 and one.sizes["Rss"] == one.sizes["Size"] for one in here)
        assert [hashlib.sha256(secret).digest() for secret in secrets] == digests
    finally:
        subprocess.run(["swapoff", swap], check=True)
""")
    if "no swap here" in said:
        pytest.skip(said.strip())


def test_another_mapping_at_the_address_is_unlocked():
    """What was mapped where a lock's memory had been is unlocked by it: the kernel knows addresses, not buffers."""
    passes("""
memory, where = anonymous(2)
lock = locking.mlock(memory)
fixed = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x10
libc.mmap.restype = ctypes.c_void_p
assert libc.mmap(ctypes.c_void_p(where), PAGE, 3, fixed, -1, 0) == where
assert [locking.is_locked(memoryview(memory)[i * PAGE : (i + 1) * PAGE]) for i in range(2)] == [False, True]
found = securemem.locking.verify_locks()
assert found.repaired_lock_bytes == PAGE and locking.is_locked(memory)
lock.unlock()
assert not locking.is_locked(memory) and locking.locked_bytes() == 0
""")


def test_read_only_memory_gets_its_frames_later():
    """Never written read-only memory is locked without frames; made writable, what is written is locked."""
    passes("""
bare = mmap.mmap(-1, 4 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
where = ctypes.addressof(ctypes.c_char.from_buffer(bare))
assert libc.mprotect(ctypes.c_void_p(where), 4 * PAGE, 1) == 0
with locking.mlock(bare):
    assert next(m for m in mappings() if m.start <= where < m.end).sizes["Rss"] == 0
    assert libc.mprotect(ctypes.c_void_p(where), 4 * PAGE, 3) == 0
    bare[:] = b"x" * len(bare)
    here = next(m for m in mappings() if m.start <= where < m.end)
    assert here.sizes["Locked"] == 4 * PAGE // 1024
""")


def test_bare_mlock_of_length_zero():
    """Linux locks a page for length 0 if the address is inside one: why an empty buffer makes no call here."""
    passes("""
memory, where = anonymous(1)
assert libc.mlock(ctypes.c_void_p(where + 1), 0) == 0 and locking.locked_bytes() == PAGE
libc.munlockall()
assert libc.mlock(ctypes.c_void_p(where), 0) == 0 and locking.locked_bytes() == 0
with locking.mlock(memoryview(memory)[1:1]):
    assert locking.locked_bytes() == 0
""")
