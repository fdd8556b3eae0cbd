"""The gate of a key store, the cells in which it holds what is in clear, and changes and files as one step each."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem._types import Cell, Gate, Keeper, apply, transfer
else:
    from securemem._binding.load import types

    Cell, Gate, Keeper = types.Cell, types.Gate, types.Keeper
    apply, transfer = types.apply, types.transfer

__all__ = ["Cell", "Gate", "Keeper", "apply", "transfer"]
