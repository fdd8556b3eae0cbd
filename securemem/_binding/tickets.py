"""Tickets for messages, which a fork ends, and the shared counts that they are drawn from."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem._types import Tickets, take_shared
else:
    from securemem._binding.load import types

    Tickets, take_shared = types.Tickets, types.take_shared

__all__ = ["Tickets", "take_shared"]
