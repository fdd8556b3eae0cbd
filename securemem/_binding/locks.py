"""Locks on others' memory."""

from __future__ import annotations

from securemem import exceptions
from securemem._binding.errors import check
from securemem._binding.limits import lock_limit, locked_by_process
from securemem._binding.load import ffi, lib, types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from securemem._types import PageLock, page_lock
else:
    PageLock, page_lock = types.PageLock, types.page_lock

__all__ = [
    "PageLock",
    "lock_all",
    "lock_limit",
    "locked_by_process",
    "page_is_locked",
    "page_lock",
    "page_undo",
    "reserve_stack",
    "unlock_all",
    "verify",
]


_from_buffer = ffi.from_buffer


def _export(buffer: Any) -> Any:
    """A buffer's bytes where they lie."""
    try:
        return _from_buffer(buffer)
    except exceptions.SecureMemError:  # a secret's own, which says more
        raise
    except (BufferError, ValueError) as error:
        raise exceptions.SourceError("the buffer must be contiguous, to be locked where it lies") from error


def page_undo(buffer: Any) -> None:
    """Undo every lock of a buffer's pages."""
    with _export(buffer) as export:
        check(lib.sm_page_undo(export, len(export)))


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
