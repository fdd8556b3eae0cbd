"""securemem.locking: what each call promises, in this process, checked by smaps."""

from __future__ import annotations

import array
import ctypes
import gc
import mmap
import os
import pickle
import resource
import threading

import pytest

import securemem
from securemem import exceptions, locking
from securemem._memory_map import mappings, status_kib
from tests.support.locking_programs import PAGE


def address_of(buffer):
    """Where a writable buffer lies."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def locked_pages(start, length):
    """Which of the pages of a range are locked, by smaps read in Python."""
    every = list(mappings())
    pages = range(start // PAGE * PAGE, start + length, PAGE)
    return [any(one.locked and one.start <= page < one.end for one in every) for page in pages]


def anonymous(pages):
    """Private memory of whole pages, written to."""
    memory = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory[:] = b"x" * len(memory)
    return memory


@pytest.mark.parametrize(
    "make",
    [
        lambda: bytearray(3 * PAGE),
        lambda: bytes(3 * PAGE),
        lambda: anonymous(3),
        lambda: array.array("d", range(PAGE)),
        lambda: (ctypes.c_uint32 * PAGE)(),
        lambda: memoryview(bytearray(3 * PAGE)).cast("I"),
        lambda: memoryview(bytearray(3 * PAGE))[1:-1],
    ],
    ids=["bytearray", "bytes", "mmap", "array", "ctypes", "memoryview", "slice"],
)
def test_any_contiguous_buffer_is_locked_and_unlocked(make):
    """Whatever exports a contiguous buffer can be locked; its pages are locked while the lock is held, no longer."""
    buffer = make()
    assert not locking.is_locked(buffer)
    with locking.mlock(buffer) as lock:
        assert locking.is_locked(buffer)
        assert lock.held
        assert lock.nbytes == memoryview(buffer).nbytes
    assert not lock.held
    assert lock.nbytes == 0
    assert not locking.is_locked(buffer)


def test_numpy_array_is_locked():
    """A numpy array is a buffer like any other."""
    numpy = pytest.importorskip("numpy", reason="numpy is not installed: it is no dependency")
    matrix = numpy.zeros((64, 64))
    with locking.mlock(matrix):
        assert locking.is_locked(matrix)
    with pytest.raises(exceptions.SourceError):
        locking.mlock(matrix[::2, ::2])


def test_range_is_rounded_to_whole_pages():
    """One byte locks its page, two bytes over an edge lock two, and the neighbours stay unlocked."""
    memory = anonymous(4)
    start = address_of(memory)
    with locking.mlock(memoryview(memory)[2 * PAGE - 1 : 2 * PAGE]):
        assert locked_pages(start, 4 * PAGE) == [False, True, False, False]
    with locking.mlock(memoryview(memory)[2 * PAGE - 1 : 2 * PAGE + 1]):
        assert locked_pages(start, 4 * PAGE) == [False, True, True, False]
    assert locked_pages(start, 4 * PAGE) == [False] * 4


def test_locks_on_a_page_are_counted():
    """Two locks on a page and one unlock leave it locked; the kernel alone would have unlocked it."""
    memory = anonymous(3)
    start = address_of(memory)
    first, second = locking.mlock(memoryview(memory)[: 2 * PAGE]), locking.mlock(memoryview(memory)[PAGE:])
    first.unlock()
    assert locked_pages(start, 3 * PAGE) == [False, True, True]
    second.unlock()
    assert locked_pages(start, 3 * PAGE) == [False] * 3


def test_kernel_locks_do_not_stack():
    """The control for the counts: two bare mlocks and one bare munlock leave the page unlocked."""
    libc = ctypes.CDLL(None)
    memory = anonymous(1)
    where = ctypes.c_void_p(address_of(memory))
    assert libc.mlock(where, PAGE) == libc.mlock(where, PAGE) == 0
    assert locking.is_locked(memory)
    assert libc.munlock(where, PAGE) == 0
    assert not locking.is_locked(memory)


def test_unlock_twice_counts_once():
    """unlock() may be called again; it does not take another's lock away."""
    memory = anonymous(1)
    first, second = locking.mlock(memory), locking.mlock(memory)
    first.unlock()
    first.unlock()
    assert locking.is_locked(memory)
    second.unlock()


def test_unlock_from_many_threads_counts_once():
    """Threads that unlock the same lock at once give back one count."""
    memory = anonymous(1)
    kept = locking.mlock(memory)
    for _ in range(50):
        lock = locking.mlock(memory)
        threads = [threading.Thread(target=lock.unlock) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert locking.is_locked(memory)
    kept.unlock()
    assert not locking.is_locked(memory)


def test_threads_lock_and_unlock_overlapping_ranges():
    """Locks taken and dropped by threads on shared pages leave nothing locked, and a held one locked throughout."""
    memory = anonymous(8)
    kept = locking.mlock(memoryview(memory)[3 * PAGE : 4 * PAGE])
    failures = []

    def hammer(first):
        view = memoryview(memory)[first * PAGE : (first + 4) * PAGE]
        for _ in range(200):
            with locking.mlock(view):
                pass
        if not locking.is_locked(memoryview(memory)[3 * PAGE : 4 * PAGE]):
            failures.append(first)

    threads = [threading.Thread(target=hammer, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert locked_pages(address_of(memory), 8 * PAGE) == [False, False, False, True, False, False, False, False]
    kept.unlock()


def test_dropped_lock_unlocks():
    """A PageLock that nobody refers to any more unlocks, and lets the buffer go."""
    memory = bytearray(PAGE)
    lock = locking.mlock(memory)
    with pytest.raises(BufferError):
        memory.extend(b"x")
    del lock
    gc.collect()
    memory.extend(b"x")
    assert not locking.is_locked(memory)


def test_on_fault_locks_without_bringing_in():
    """on_fault charges and marks the pages now, and brings none in; a plain lock brings all in."""
    bare = mmap.mmap(-1, 64 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = address_of(bare)

    def resident():
        return next(one.sizes["Rss"] for one in mappings() if one.start <= start < one.end)

    before = locking.locked_bytes()
    with locking.mlock(bare, on_fault=True):
        assert locking.locked_bytes() - before == 64 * PAGE
        assert resident() == 0
        bare[:PAGE] = b"x" * PAGE
        assert resident() == PAGE // 1024
    with locking.mlock(bare):
        assert resident() == 64 * PAGE // 1024


def test_empty_buffer_has_no_page():
    """Locking nothing is no system call and no lock; is_locked() of nothing is true."""
    before = locking.locked_bytes()
    with locking.mlock(b"") as lock:
        assert lock.held
        assert lock.nbytes == 0
        assert locking.locked_bytes() == before
    assert not lock.held
    assert locking.is_locked(b"")


def test_secrets_pages_are_never_unlocked():
    """A lock on a secret's view and its unlock leave the secret locked; verify_locks() finds nothing to repair."""
    for backend in ("mlock", "memfd_secret"):
        arena = securemem.Arena(backend=backend, at_rest="readwrite")
        try:
            secret = securemem.SecureBytes.random(32, arena=arena)
        except exceptions.BackendUnavailableError:
            continue
        with locking.mlock(secret) as lock:
            assert lock.held
        assert secret.protection.locked
        assert securemem.locking.verify_locks().intact


def test_only_mlock_makes_a_lock():
    """PageLock() is a TypeError: there is no lock that locks nothing known."""
    with pytest.raises(TypeError, match="mlock"):
        locking.PageLock()


def test_lock_repr_tells_no_address():
    """A repr tells size and state only."""
    lock = locking.mlock(bytearray(10))
    assert repr(lock) == "<PageLock of 10 bytes>"
    lock.unlock()
    assert repr(lock) == "<PageLock, not held>"


@pytest.mark.parametrize("bad", ["text", 7, None, [1], object()])
def test_not_a_buffer_is_a_type_error(bad):
    """What exports no buffer is Python's own TypeError, for each call that takes one."""
    for call in (locking.mlock, locking.is_locked):
        with pytest.raises(TypeError):
            call(bad)


def test_buffer_in_pieces_is_refused():
    """A buffer that is not contiguous is a SourceError, and nothing is locked."""
    before = locking.locked_bytes()
    pieces = memoryview(bytearray(8 * PAGE))[::2]
    for call in (locking.mlock, locking.is_locked):
        with pytest.raises(exceptions.SourceError):
            call(pieces)
    assert locking.locked_bytes() == before


def test_locked_bytes_is_what_the_kernel_counts():
    """locked_bytes() is VmLck, and grows by whole pages."""
    memory = anonymous(5)
    before = locking.locked_bytes()
    assert before == status_kib("VmLck") * 1024
    with locking.mlock(memory):
        assert locking.locked_bytes() == before + 5 * PAGE


def test_lock_limit_tells_soft_hard_used_available():
    """lock_limit() has both limits and what is used; None stands for no limit."""
    limit = locking.lock_limit()
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    assert limit.soft == (None if soft == resource.RLIM_INFINITY else soft)
    assert limit.hard == (None if hard == resource.RLIM_INFINITY else hard)
    assert limit.used == locking.locked_bytes()
    assert limit.unlimited == (limit.available is None)


def test_posix_support_is_what_sysconf_says():
    """posix_support() has sysconf's three answers."""
    support = locking.posix_support()
    assert support.page_size == os.sysconf("SC_PAGE_SIZE")
    for version, name in ((support.memlock, "SC_MEMLOCK"), (support.memlock_range, "SC_MEMLOCK_RANGE")):
        assert version == os.sysconf(name) or (version is None and os.sysconf(name) <= 0)


@pytest.mark.parametrize("flags", [{"current": False}, {"current": False, "on_fault": True}])
def test_mlockall_flags_that_ask_for_nothing(flags):
    """No flag, or only on_fault, is a ValueError before any call."""
    with pytest.raises(exceptions.LockFlagsError) as caught:
        locking.mlockall(**flags)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("call", [locking.reserve_stack, locking.raise_lock_limit])
@pytest.mark.parametrize(
    ("bad", "kind"),
    [(0, exceptions.SizeError), (-1, exceptions.SizeError), ("1", TypeError), (1.5, TypeError), (True, TypeError)],
)
def test_bad_sizes(call, bad, kind):
    """A size that is no positive integer is refused by type."""
    with pytest.raises(kind):
        call(bad)


def test_stack_without_room_is_refused():
    """reserve_stack() beyond the thread's stack is a StackLimitError, not a crash; in a thread too."""
    with pytest.raises(exceptions.StackLimitError):
        locking.reserve_stack(1 << 40)
    with pytest.raises(exceptions.StackLimitError):
        locking.reserve_stack(1 << 80)
    caught = []

    def in_thread():
        locking.reserve_stack(64 << 10)
        try:
            locking.reserve_stack(64 << 20)
        except exceptions.StackLimitError as error:
            caught.append(error)

    old = threading.stack_size(1 << 20)
    try:
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)
    assert len(caught) == 1


@pytest.mark.parametrize(
    "error",
    [
        exceptions.LockLostError(12, "lost", 4096),
        exceptions.LockPermissionError(0, 0, 4096),
        exceptions.LockLimitError(4096, 0, 8192),
        exceptions.UnmappedError(12, "not there"),
    ],
)
def test_lock_errors_pickle(error):
    """Errors cross process borders with their figures."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("call", [locking.mlock, locking.is_locked])
def test_a_wiped_secret_says_so(call):
    """Locking a wiped secret is its own WipedError, not a buffer in pieces."""
    secret = securemem.SecureBytes.zeros(8)
    secret.wipe()
    with pytest.raises(securemem.WipedError):
        call(secret)
