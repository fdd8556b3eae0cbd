"""The crypto heap: its pages, the import slots that lead to it, and what is in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from securemem._binding.errors import check
from securemem._binding.limits import lock_limit, locked_by_process
from securemem._binding.load import ffi, lib, types

if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem._types import Section

__all__ = [
    "FORMAT",
    "FULL",
    "LIBRARY",
    "MISSING",
    "NOT_LOADED",
    "SEALED",
    "STATIC",
    "TAKEN",
    "count",
    "forget",
    "forget_all",
    "forget_plan",
    "found",
    "is_locked",
    "is_serving",
    "keep",
    "kept",
    "lock_limit",
    "lock_some",
    "locked_by_process",
    "plan",
    "prepare_python",
    "refusal",
    "section",
    "serve",
    "set_lock_large",
    "set_most_python",
    "set_scrub",
    "slots",
    "start",
    "start_python",
    "verify_slots",
    "write_slots",
]

NOT_LOADED: int = lib.SM_SLOTS_NOT_LOADED
STATIC: int = lib.SM_SLOTS_STATIC
FORMAT: int = lib.SM_SLOTS_FORMAT
MISSING: int = lib.SM_SLOTS_MISSING
TAKEN: int = lib.SM_SLOTS_TAKEN
LIBRARY: int = lib.SM_SLOTS_LIBRARY
SEALED: int = lib.SM_SLOTS_SEALED
FULL: int = lib.SM_SLOTS_FULL

_COUNTED = ("budget", "locked", "locked_used", "unlocked", "unlocked_peak", "refusals", "lost")


def start(budget: int) -> None:
    """Reserve the heap's addresses, once, and set how many bytes it may lock; the core's errors."""
    check(lib.sm_heap_start(budget))


def lock_some() -> None:
    """Lock the first pages now; LockLimitError or LockError where the kernel does not."""
    check(lib.sm_units_lock_some())


def set_lock_large(locked: bool) -> None:
    """Whether blocks over 1 MiB are locked too, as far as the budget goes."""
    lib.sm_heap_lock_large(locked)


def plan(path: str, symbol: str) -> tuple[int, str]:
    """Plan the slots of the object that holds `symbol`; 0 or the reason against it, and the symbol it is about."""
    answer = lib.sm_slots_plan(path.encode("utf-8", "surrogateescape"), symbol.encode())
    name = lib.sm_slots_name()
    return answer, ffi.string(name).decode() if name != ffi.NULL else symbol


def refusal() -> tuple[str, int]:
    """The system call that the kernel refused last in this thread, and its errno."""
    failure = lib.sm_failure_get()
    return ffi.string(failure.call).decode() if failure.call != ffi.NULL else "", int(failure.error)


def slots() -> dict[str, int]:
    """How many slots lead to each function, planned ones included."""
    counts = {ffi.string(lib.sm_entries_name(i)).decode(): int(lib.sm_slots_of(i)) for i in range(lib.SM_ENTRIES)}
    return {name: number for name, number in counts.items() if number}


def found() -> set[str]:
    """The functions that the object planned last has slots for."""
    return {ffi.string(lib.sm_entries_name(i)).decode() for i in range(lib.SM_ENTRIES) if lib.sm_slots_found(i)}


def verify_slots() -> tuple[int, int]:
    """Write again what other code changed: how many slots that were, ever; and pages that stayed writable."""
    return types.heap_verify_slots(), int(lib.sm_slots_left_writable())


def count() -> dict[str, int]:
    """All counts of the heap."""
    heap = ffi.new("struct sm_heap_statistics *")
    entries = ffi.new("struct sm_entries_counts *")
    python = ffi.new("struct sm_python_counts *")
    lib.sm_heap_count(heap)
    lib.sm_entries_count(entries)
    lib.sm_python_count(python)
    counts = {name: int(getattr(heap.units, name)) for name in _COUNTED}
    counts |= {"live_blocks": heap.live_blocks, "live_bytes": heap.live_bytes, "overflow": heap.overflow}
    return counts | {"outside": entries.outside, "python_bytes": python.live, "python_refused": python.refused}


# C functions as they are.
forget_plan: Callable[[], None] = lib.sm_slots_forget_plan

serve: Callable[[bool], None] = lib.sm_heap_serve

is_serving: Callable[[], bool] = lib.sm_heap_is_serving

# Whether every block up to 1 MiB lies in locked memory.
is_locked: Callable[[], bool] = lib.sm_heap_is_locked

set_scrub: Callable[[int], None] = lib.sm_scrub_points_set

prepare_python: Callable[[], bool] = lib.sm_python_prepare

set_most_python: Callable[[int], None] = lib.sm_python_set_most

# Writes what was planned, all of it or nothing; 0 or SEALED.
write_slots: Callable[[], int] = types.heap_write_slots

start_python: Callable[[], None] = types.heap_start_python

# keep(most, refuse): how many prepared ciphers may be kept, and what raises where key material is not locked.
keep: Callable[[int, Callable[[], None] | None], None] = types.heap_keep

kept: Callable[[], int] = types.heap_kept

# Drops the prepared cipher that is kept of a secret; all of them.
forget: Callable[[object], None] = types.heap_forget

forget_all: Callable[[], None] = types.heap_forget_all

# In a forked child none goes on: called by Python itself, before any code that runs there.
os.register_at_fork(after_in_child=types.heap_forget_all)

section: Callable[[], Section] = types.heap_section
