"""Wiping and clearing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem._binding.load import types

if TYPE_CHECKING:
    from securemem._types import bytes_of, wipe
else:
    bytes_of, wipe = types.bytes_of, types.wipe

__all__ = ["bytes_of", "scrub", "wipe"]


def scrub(depth: int = 64 * 1024) -> int:
    """Clear vector registers and up to depth bytes of this thread's dead stack; the bytes cleared."""
    return types.scrub(depth)  # type: ignore[no-any-return]  # the module is loaded by hand, and has no type
