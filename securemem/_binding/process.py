"""Flags of the whole process, and trials of its memory."""

from __future__ import annotations

from securemem._binding.errors import check
from securemem._binding.limits import lock_limit, locked_by_process, locked_is_known
from securemem._binding.load import ffi, lib

__all__ = [
    "dumpable",
    "lock_limit",
    "locked_by_process",
    "locked_is_known",
    "merging",
    "peek",
    "set_dumpable",
    "set_merging",
    "stack_bounds",
    "try_secret_memory",
]


def set_dumpable(dumpable: bool) -> None:
    """Let this process be dumped and traced, or not (PR_SET_DUMPABLE); ProtectionError where the kernel refuses."""
    check(lib.sm_process_set_dumpable(dumpable))


def dumpable() -> int:
    """0: neither dumped nor traced; 1: both; 2: dumped for root only (PR_GET_DUMPABLE)."""
    out = ffi.new("int *")
    check(lib.sm_process_dumpable(out))
    return int(out[0])


def set_merging(merging: bool) -> None:
    """Let the kernel merge all equal pages of this process, or not; ProtectionError where it has no such flag."""
    check(lib.sm_process_set_merging(merging))


def merging() -> bool:
    """Whether the kernel merges all equal pages of this process (PR_GET_MEMORY_MERGE)."""
    out = ffi.new("bool *")
    check(lib.sm_process_merging(out))
    return bool(out[0])


def peek(address: int, out: bytearray) -> None:
    """Fill `out` with the bytes at an address now, whoever owns them; ProtectionError where none can be read."""
    check(lib.sm_process_peek(ffi.from_buffer(out), address, len(out)))


def try_secret_memory() -> bool:
    """Map a page of memfd_secret and give it back; BackendUnavailableError, with the errno, where it cannot be had.

    Whether such pages count against what all processes of the user may lock together.
    """
    of_user = ffi.new("bool *")
    check(lib.sm_process_try_secret_memory(of_user))
    return bool(of_user[0])


def stack_bounds() -> str:
    """How far this thread's stack reaches is "known", "estimated" (no /proc or descriptor to ask with) or "unknown".

    Of an unknown stack nothing can be cleared.
    """
    names = {lib.SM_STACK_KNOWN: "known", lib.SM_STACK_ESTIMATED: "estimated", lib.SM_STACK_UNKNOWN: "unknown"}
    return names[lib.sm_process_stack_bounds()]
