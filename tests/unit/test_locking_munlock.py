"""locking.munlock: the kernel's own meaning, beside locks that are counted; checked by smaps."""

from __future__ import annotations

import pytest

from securemem import Arena, SecureBytes, exceptions, locking
from tests.support.locking_child import PAGE, anonymous, flags, in_child


def test_one_call_undoes_every_lock():
    """However often pages were locked; the locks are void, and giving them back does no harm."""
    memory, _ = anonymous(3)
    locks = [locking.mlock(memory) for _ in range(3)]
    locking.munlock(memory)
    assert not locking.is_locked(memory)
    assert [lock.held for lock in locks] == [False] * 3
    for lock in locks:
        lock.unlock()
    assert not locking.is_locked(memory)


def test_a_lock_that_is_given_back_leaves_the_others():
    """The control: PageLock.unlock() of one of two leaves the pages locked."""
    memory, _ = anonymous(3)
    first, second = locking.mlock(memory), locking.mlock(memory)
    first.unlock()
    assert locking.is_locked(memory)
    assert second.held
    second.unlock()


def test_pages_beside_stay_locked():
    """Whole pages around the bytes given, and no others; the lock keeps its rest until it is given back."""
    memory, _ = anonymous(4)
    view = memoryview(memory)
    lock = locking.mlock(memory)
    locking.munlock(view[PAGE + 10 : PAGE + 11])
    assert [locking.is_locked(view[at * PAGE :][:1]) for at in range(4)] == [True, False, True, True]
    assert not lock.held
    lock.unlock()
    assert not any(locking.is_locked(view[at * PAGE :][:1]) for at in range(4))
    view.release()


def test_a_lock_made_later_counts():
    """Old locks that are given back do not touch it, in either order."""
    memory, _ = anonymous(2)
    old = locking.mlock(memory)
    locking.munlock(memory)
    new = locking.mlock(memory)
    old.unlock()
    assert locking.is_locked(memory)
    assert new.held
    locking.munlock(memory)
    newest = locking.mlock(memory)
    new.unlock()
    assert locking.is_locked(memory)
    newest.unlock()
    assert not locking.is_locked(memory)


def test_what_was_undone_is_not_repaired():
    """verify_locks() has nothing to do there; a bare munlock, the control, it repairs."""
    memory, _ = anonymous(2)
    lock = locking.mlock(memory)
    before = locking.verify_locks()
    locking.munlock(memory)
    after = locking.verify_locks()
    assert after.intact
    assert before.lock_bytes - after.lock_bytes == 2 * PAGE
    assert not locking.is_locked(memory)
    lock.unlock()


@pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])
def test_pages_of_secrets_are_refused(at_rest):
    """Their lock is not the caller's to undo; a PageLock on them may be given back."""
    secret = SecureBytes.random(32, arena=Arena(at_rest=at_rest))
    with locking.mlock(secret), pytest.raises(exceptions.InvalidArgumentError, match="pages of secrets"):
        locking.munlock(secret)
    assert secret.protection.locked


def test_pages_of_the_crypto_heap_are_refused():
    """What lies in its locked tier keeps its lock; in a process of its own, for the heap cannot be turned off."""
    pytest.importorskip("cryptography")

    def work():
        from securemem import crypto_heap

        crypto_heap.enable()
        with crypto_heap.secret_section():
            kept = bytearray(b"x" * 100)
        assert locking.is_locked(kept)
        with pytest.raises(exceptions.InvalidArgumentError, match="pages of secrets"):
            locking.munlock(kept)
        assert locking.is_locked(kept)
        crypto_heap.disable()

    assert in_child(work) == 0


def test_wrong_buffers():
    """Not contiguous is SourceError, nothing is a no-op."""
    with pytest.raises(exceptions.SourceError):
        locking.munlock(memoryview(bytearray(10))[::2])
    locking.munlock(b"")


def test_a_child_undoes_its_own():
    """In a forked child the parent's locks are void already; the call is as good there."""
    memory, address = anonymous(1)
    lock = locking.mlock(memory)

    def work():
        assert not lock.held
        own = locking.mlock(memory)
        locking.munlock(memory)
        assert "lo" not in flags(address)
        assert not own.held

    assert in_child(work) == 0
    assert lock.held
    lock.unlock()


def test_many_undone_parts_of_one_lock():
    """Every second page of a lock undone, locked again and undone: the books stay right."""
    memory, _ = anonymous(64)
    view = memoryview(memory)
    lock = locking.mlock(memory)
    parts = [view[at * PAGE :][:PAGE] for at in range(0, 64, 2)]
    for part in parts:
        locking.munlock(part)
    again = [locking.mlock(part) for part in parts]
    for part in parts[::2]:
        locking.munlock(part)
    assert [one.held for one in again] == [False, True] * 16
    lock.unlock()
    assert [locking.is_locked(part) for part in parts] == [False, True] * 16
    for one in again:
        one.unlock()
    assert not any(locking.is_locked(part) for part in parts)
