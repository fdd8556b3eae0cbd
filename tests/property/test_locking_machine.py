"""Any sequence of overlapping locks and unlocks leaves exactly the pages locked that a model says, read from smaps."""

from __future__ import annotations

import ctypes
import mmap

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

import securemem
from securemem import crypto_heap, locking
from securemem._memory_map import mappings

PAGE = mmap.PAGESIZE
PAGES = 12
LIBC = ctypes.CDLL(None)


class Locks(RuleBasedStateMachine):
    """The model: how many locks hold each page of a mapping, which pages are locked, and what mlockall() asked for."""

    locks = Bundle("locks")

    def __init__(self):
        super().__init__()
        self.memory = mmap.mmap(-1, PAGES * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.memory[:] = b"x" * len(self.memory)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.held = []
        self.counting = {}  # for each lock given out the pages that it still counts on
        self.counts = [0] * PAGES
        self.locked = set()
        self.everything = self.future = False
        self.heap_lost = (
            False  # whether the crypto heap, which the store of another test may have turned on, is unlocked
        )

    @property
    def counted(self):
        """The pages that locks hold."""
        return {page for page in range(PAGES) if self.counts[page]}

    @initialize()
    def make_secrets(self):
        """Secrets beside the mapping, closed and open."""
        opened = securemem.Arena(at_rest="readwrite")
        self.secrets = securemem.SecureBytes.random(32), securemem.SecureBytes.random(32, arena=opened)

    @rule(
        target=locks,
        first=st.integers(0, PAGES * PAGE - 1),
        length=st.integers(1, PAGES * PAGE),
        on_fault=st.booleans(),
    )
    def lock(self, first, length, on_fault):
        """Any range; its whole pages gain a lock."""
        lock = locking.mlock(memoryview(self.memory)[first : first + length], on_fault=on_fault)
        pages = range(first // PAGE, (first + lock.nbytes - 1) // PAGE + 1)
        for page in pages:
            self.counts[page] += 1
        self.locked |= set(pages)
        self.held.append(lock)
        self.counting[lock] = set(pages)
        return lock, pages

    @rule(held=consumes(locks))
    def unlock(self, held):
        """Any lock; pages that lose their last one are unlocked, unless mlockall() is in force."""
        lock, pages = held
        assert lock.held == (self.counting[lock] == set(pages))
        lock.unlock()
        for page in self.counting.pop(lock):
            self.counts[page] -= 1
        if not self.everything:
            self.locked -= set(pages) - self.counted

    @rule(first=st.integers(0, PAGES * PAGE - 1), length=st.integers(1, 4 * PAGE))
    def munlock(self, first, length):
        """Any range; its pages lose every lock, and their locks keep their other pages."""
        part = memoryview(self.memory)[first : first + length]
        locking.munlock(part)
        for page in range(first // PAGE, (first + len(part) - 1) // PAGE + 1):
            self.counts[page] = 0
            self.locked.discard(page)
            for pages in self.counting.values():
                pages.discard(page)

    @rule(page=st.integers(0, PAGES - 1))
    def foreign_munlock(self, page):
        """A bare munlock of one page, whoever holds it."""
        assert LIBC.munlock(ctypes.c_void_p(self.start + page * PAGE), PAGE) == 0
        self.locked.discard(page)

    @rule()
    def foreign_munlockall(self):
        """A bare munlockall: everything is unlocked, the counts stay."""
        assert LIBC.munlockall() == 0
        self.locked.clear()
        self.future = False
        self.heap_lost = True

    @rule()
    def verify(self):
        """Repairs exactly the counted pages that are not locked, and the crypto heap where it lost its lock."""
        lost = self.counted - self.locked
        found = securemem.locking.verify_locks()
        heap = crypto_heap.status().locked
        assert found.repaired_lock_bytes == len(lost) * PAGE + heap * self.heap_lost
        assert found.lock_bytes == len(self.counted) * PAGE + heap
        self.locked |= lost
        self.heap_lost = False
        assert all(secret.protection.locked for secret in self.secrets)

    @rule(future=st.booleans(), on_fault=st.booleans())
    def mlockall(self, future, on_fault):
        """Everything is locked."""
        locking.mlockall(future=future, on_fault=on_fault)
        self.everything, self.future = True, future
        self.locked = set(range(PAGES))
        self.heap_lost = False

    @rule()
    def munlockall(self):
        """Only what is counted stays locked."""
        assert locking.munlockall().gap_bytes == 0
        if self.future:  # cancelled by a mlockall, which also mends what was lost
            self.locked = set(range(PAGES))
            self.heap_lost = False
        self.locked &= self.counted
        self.everything = self.future = False

    @invariant()
    def exactly_the_models_pages_are_locked(self):
        """What smaps says and the model agree."""
        every = [one for one in mappings() if one.start < self.start + PAGES * PAGE and one.end > self.start]
        addresses = {page: self.start + page * PAGE for page in range(PAGES)}
        locked = {
            page for page, at in addresses.items() if any(one.locked and one.start <= at < one.end for one in every)
        }
        assert locked == self.locked

    def teardown(self):
        """Nothing stays for the next run."""
        for lock in self.held:
            lock.unlock()
        LIBC.munlockall()
        locking.munlockall()
        securemem.locking.verify_locks()  # secrets of other tests


TestLocks = pytest.mark.skipif(not locking.lock_limit().unlimited, reason="locks the whole process")(Locks.TestCase)
TestLocks.settings = settings(max_examples=40, stateful_step_count=16, deadline=None)
