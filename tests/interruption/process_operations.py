"""Locks on others' memory, and the crypto heap, as the interruption driver runs them."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

from securemem import crypto_heap, locking
from securemem.crypto import aead
from securemem.locking import PageLock
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.interruption import Attempt

PAGES = 3


def _on_pages(
    name: str,
    use: Callable[[Any], object],
    *,
    stays: bool = False,
    locked: bool = False,
    least: int = 1,
) -> Operation:
    """An operation on pages of their own. stays: they may be locked after success. locked: they are at the begin."""

    def make(_folder: Path) -> Case:
        pages = mmap.mmap(-1, PAGES * mmap.PAGESIZE)
        own = [locking.mlock(pages)] if locked else []

        def after(attempt: Attempt) -> None:
            if isinstance(attempt.result, PageLock):
                own.append(attempt.result)

        def check(attempt: Attempt) -> str | None:
            is_locked = locking.is_locked(pages)
            if attempt.error is None and is_locked is not stays:
                return f"it returned, and the pages are {'' if is_locked else 'not '}locked"
            if is_locked is not any(one.held for one in own):
                return f"the pages are {'' if is_locked else 'not '}locked, and its lock says the opposite"
            for one in own:
                one.unlock()
            return "the pages cannot be unlocked" if locking.is_locked(pages) else None

        def dropped() -> str | None:
            return "the pages stay locked when all is dropped" if locking.is_locked(pages) else None

        return Case(lambda: use(own[0] if locked else pages), after=after, check=check, dropped=dropped)

    return Operation(f"locking.{name}", make, least=least)


def _with(pages: mmap.mmap) -> int:
    with locking.mlock(pages) as lock:
        return lock.nbytes


def _of_the_process(name: str, use: Callable[[], object]) -> Operation:
    """An operation on all of the process: afterwards secrets are locked as they were."""

    def make(_folder: Path) -> Case:
        def check(_attempt: Attempt) -> str | None:
            locking.munlockall()
            return None if locking.verify_locks().intact else "pages of secrets were unlocked"

        return Case(use, check=check)

    return Operation(f"locking.{name}", make)


def _lock_all() -> None:
    locking.mlockall()
    locking.munlockall()


def _heap(_folder: Path) -> Case:
    """On and off again. Whatever stopped it, it can be turned on, and then serves, or off."""

    def life() -> None:
        crypto_heap.enable(budget=1 << 20)
        aead.Key.generate().encrypt(b"x")
        crypto_heap.disable()

    def check(attempt: Attempt) -> str | None:
        if attempt.error is None and crypto_heap.status().enabled:
            return "it was turned off, and is on"
        crypto_heap.enable(budget=1 << 20)
        before = crypto_heap.status().live_blocks
        key = aead.Key.generate()
        if key.decrypt(key.encrypt(b"x")) != b"x" or not crypto_heap.status().enabled:
            return "it does not serve"
        crypto_heap.disable()
        return None if before >= 0 else "a count is below 0"

    return Case(life, check=check)


def _section(_folder: Path) -> Case:
    def use() -> int:
        with crypto_heap.secret_section():
            return sum(bytearray(64))

    def check(_attempt: Attempt) -> str | None:
        before = crypto_heap.status().python_bytes
        kept = bytearray(4096)
        inside = crypto_heap.status().python_bytes - before
        del kept
        return "a section goes on" if inside >= 4096 else None

    crypto_heap.enable(budget=1 << 20)
    return Case(use, check=check)


OPERATIONS = [
    _on_pages("mlock", locking.mlock, stays=True, least=5),
    _on_pages("mlock with", _with, least=5),
    _on_pages("is_locked", locking.is_locked),
    _on_pages("munlock", locking.munlock),
    _on_pages("PageLock.unlock", lambda lock: lock.unlock(), locked=True, least=0),
    _of_the_process("mlockall and munlockall", _lock_all),
    _of_the_process("verify_locks", locking.verify_locks),
    _of_the_process("lock_limit", locking.lock_limit),
    _of_the_process("reserve_stack", lambda: locking.reserve_stack(65536)),
    Operation("crypto_heap.enable and disable", _heap),
    Operation("crypto_heap.secret_section", _section),
]
