"""Locks on others' memory."""

from __future__ import annotations

from securemem import exceptions
from securemem._binding.errors import check, raise_status
from securemem._binding.limits import lock_limit, locked_by_process
from securemem._binding.load import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "lock_all",
    "lock_limit",
    "locked_by_process",
    "page_is_locked",
    "page_lock",
    "page_lock_lives",
    "page_unlock",
    "reserve_stack",
    "unlock_all",
    "verify",
]


# Looked up once: a page lock costs little more than its two system calls.
_from_buffer, _generation = ffi.from_buffer, ffi.typeof("uint64_t *")

_page_lock, _page_unlock = lib.sm_page_lock, lib.sm_page_unlock


def page_lock(buffer: Any, on_fault: bool) -> tuple[Any, int]:
    """Lock a buffer's pages; the export that keeps it in place, and the fork generation of the lock."""
    try:
        export = _from_buffer(buffer)
    except exceptions.SecureMemError:  # a secret's own, which says more
        raise
    except (BufferError, ValueError) as error:
        raise exceptions.SourceError("the buffer must be contiguous, to be locked where it lies") from error
    generation = ffi.new(_generation)
    status = _page_lock(generation, export, len(export), on_fault)
    if status:
        ffi.release(export)
        raise_status(status)
    return export, generation[0]


def page_unlock(export: Any, on_fault: bool, generation: int) -> None:
    """Drop a lock; the buffer goes with the export."""
    status = _page_unlock(export, len(export), on_fault, generation)
    if status:
        ffi.release(export)  # the traceback would keep it
        raise_status(status)


def page_lock_lives(generation: int) -> bool:
    """Whether a lock was made by this process, and not by one it was forked from."""
    return bool(lib.sm_page_lock_lives(generation))


def page_is_locked(buffer: Any) -> bool:
    """Whether every page of a buffer is locked, by smaps."""
    out = ffi.new("bool *")
    try:
        export = ffi.from_buffer(buffer)
    except exceptions.SecureMemError:  # the same
        raise
    except (BufferError, ValueError) as error:
        raise exceptions.SourceError("the buffer must be contiguous") from error
    with export:
        check(lib.sm_page_is_locked(out, export, len(export)))
    return bool(out[0])


def lock_all(current: bool, future: bool, on_fault: bool) -> None:
    """Call mlockall."""
    check(lib.sm_lock_all(current, future, on_fault))


def unlock_all(allow_gap: bool) -> tuple[int, int, int]:
    """Do munlockall's work but for what is ours: bytes unlocked, bytes that lay unlocked meanwhile, for how many ns."""
    out = ffi.new("struct sm_unlocking *")
    check(lib.sm_unlock_all(out, allow_gap))
    return int(out.unlocked_bytes), int(out.gap_bytes), int(out.gap_nanoseconds)


def reserve_stack(size: int) -> None:
    """Touch that many bytes of this thread's stack."""
    check(lib.sm_stack_reserve(size))


def verify() -> dict[str, int]:
    """The struct sm_verification, after repairing."""
    out = ffi.new("struct sm_verification *")
    check(lib.sm_verify(out))
    return {name: int(getattr(out, name)) for name, _ in ffi.typeof("struct sm_verification").fields}
