"""Wiping, moving and clearing, and the blocks of XAES and key unwrap."""

from __future__ import annotations

from securemem._binding.load import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def scrub(depth: int = 64 * 1024) -> int:
    """Clear vector registers and up to depth bytes of this thread's dead stack; the bytes cleared."""
    return int(lib.sm_scrub(depth))


def wipe(buffer: Any) -> None:
    """Zero a writable, contiguous buffer, in a way that is not optimised away."""
    data = ffi.from_buffer(buffer, require_writable=True)
    lib.sm_wipe(data, len(data))


def move(target: Any, source: bytes) -> None:
    """Copy a fresh bytes object, which nobody else holds, into a writable buffer, and zero it where it lies.

    source: two bytes or more, since Python shares the shorter ones, and not longer than target.
    """
    lib.sm_move(ffi.from_buffer(target), source, len(source))


def pin(buffer: Any) -> Any:
    """The address of a writable buffer, which stays exported for as long as the returned object lives."""
    return ffi.from_buffer(buffer)


# C functions as they are, for what is called thousands of times a second: core/wipe.h and core/blocks.h tell of them.
# The first argument of each but scrub_stack is what pin() gave; for wipe_in_place it may also be a bytes object that
# nobody else holds, as for move().
scrub_stack: Callable[[int], int] = lib.sm_scrub

wipe_in_place: Callable[[Any, int], None] = lib.sm_wipe

xaes_inputs: Callable[[Any, bytes], None] = lib.sm_xaes_inputs

unwrap_load: Callable[[Any, int, int], None] = lib.sm_unwrap_load

unwrap_store: Callable[[Any, int], None] = lib.sm_unwrap_store

UNWRAP_HEAD: int = lib.SM_UNWRAP_HEAD
