"""How much a version of a key may still protect: one ticket for each message, and bytes, both drawn in blocks.

A block is written down before the first ticket of it is taken, so that a store that lasts never gives one twice; what
is left of a block when the store ends is lost. Blocks grow with use: no more is lost than was used. A forked child has
none of its parent's tickets, and draws its own.
"""

from __future__ import annotations

from operator import length_hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["block", "used"]

_SMALLEST_PART = 2**16  # of a limit: a block is at most one of so many parts


def block(most: int, drawn: int, needed: int = 1) -> int:
    """The size of the next block, where so many of the most were drawn; below what is needed: there are no more."""
    return min(most - drawn, max(needed, min(drawn, most // _SMALLEST_PART)))


def used(drawn: int, left: Iterable[None]) -> int:
    """How many of the drawn tickets were taken."""
    return drawn - length_hint(left)
