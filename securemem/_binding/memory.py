"""Wiping and clearing."""

from __future__ import annotations

from securemem._binding.load import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem._types import bytes_of, scrub, wipe
else:
    bytes_of, scrub, wipe = types.bytes_of, types.scrub, types.wipe

__all__ = ["bytes_of", "scrub", "wipe"]
