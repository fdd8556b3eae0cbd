"""The gate of a store, which every use passes: compiled, and with the words for those that it lets not in."""

from __future__ import annotations

from securemem._binding import gates
from securemem.exceptions import StoreBusyError, StoreLockedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["Cell", "Gate", "Keeper", "apply"]

Cell = gates.Cell
Keeper = gates.Keeper
apply = gates.apply

_BY_A_FORK = "by a fork, and its keys stayed in the parent process"


class Gate(gates.Gate):
    """Who is inside, and what is in clear there; `_types.Gate` does the work.

    because: how the store was locked, in words that follow "the key store was locked".
    can_be_unlocked: whether there is a key-encryption key.
    """

    __slots__ = ("because", "can_be_unlocked")

    def __init__(self) -> None:
        self.because: str = ""
        self.can_be_unlocked: bool = False

    def refuse(self) -> NoReturn:
        """Raise StoreLockedError."""
        if self.can_be_unlocked:
            way_out = "unlock() it with its key-encryption key"
        else:
            way_out = "it has no key-encryption key: make a new one"
        raise StoreLockedError(f"the key store was locked {_BY_A_FORK if self.forked else self.because}: {way_out}")

    def refuse_change(self) -> NoReturn:
        """Raise StoreBusyError."""
        raise StoreBusyError(
            "this thread is changing the key store already, and its change would be lost: do this one after that call, "
            "not in a callback or signal handler within it"
        )
