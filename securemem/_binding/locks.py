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
    "page_undo",
    "page_unlock",
    "reserve_stack",
    "unlock_all",
    "verify",
]


# Looked up once: a page lock costs little more than its two system calls.
_from_buffer, _ticket = ffi.from_buffer, ffi.typeof("uint64_t *")

_page_lock, _page_unlock = lib.sm_page_lock, lib.sm_page_unlock


def _export(buffer: Any) -> Any:
    """A buffer's bytes where they lie."""
    try:
        return _from_buffer(buffer)
    except exceptions.SecureMemError:  # a secret's own, which says more
        raise
    except (BufferError, ValueError) as error:
        raise exceptions.SourceError("the buffer must be contiguous, to be locked where it lies") from error


def page_lock(buffer: Any, on_fault: bool) -> tuple[Any, int]:
    """Lock a buffer's pages; the export that keeps it in place, and the ticket of the lock."""
    export = _export(buffer)
    ticket = ffi.new(_ticket)
    status = _page_lock(ticket, export, len(export), on_fault)
    if status:
        ffi.release(export)
        raise_status(status)
    return export, ticket[0]


def page_unlock(export: Any, on_fault: bool, ticket: int) -> None:
    """Drop a lock; the buffer goes with the export."""
    status = _page_unlock(export, len(export), on_fault, ticket)
    if status:
        ffi.release(export)  # the traceback would keep it
        raise_status(status)


def page_undo(buffer: Any) -> None:
    """Undo every lock of a buffer's pages."""
    with _export(buffer) as export:
        check(lib.sm_page_undo(export, len(export)))


def page_lock_lives(export: Any, ticket: int) -> bool:
    """Whether a lock was made by this process, not by one it was forked from, and no page of it was undone."""
    return bool(lib.sm_page_lock_lives(export, len(export), ticket))


def page_is_locked(buffer: Any) -> bool:
    """Whether every page of a buffer is locked, by smaps."""
    out = ffi.new("bool *")
    with _export(buffer) as export:
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
