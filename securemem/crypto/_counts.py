"""Counts that a process and its forked children have in common: a limit of a key holds over all of them.

They lie in memory that fork shares (MAP_SHARED), which holds no secret: a page has 512 of them, and goes with the last.
A place is never given out twice, and never set back: where two met in one, they would count too much, never too little.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from securemem._binding.tickets import Tickets, take_shared

if TYPE_CHECKING:
    from mmap import mmap

__all__ = ["SharedCount", "shared_tickets"]

_SIZE = 8
_COUNTS_OF_A_PAGE = 512
_free: list[tuple[mmap, int]] = []
_MOST = 2**63

os.register_at_fork(after_in_child=_free.clear)  # the parent's next ones


def _place() -> tuple[mmap, int]:
    while True:
        try:
            return _free.pop()  # one step for all threads
        except IndexError:
            from mmap import mmap  # noqa: PLC0415 - most programs need none

            page = mmap(-1, _COUNTS_OF_A_PAGE * _SIZE)
            _free.extend((page, index) for index in range(_COUNTS_OF_A_PAGE))


class SharedCount:
    """A count over a process and the children that it forks from then on. It begins at zero."""

    __slots__ = ("_index", "_page")

    def __init__(self) -> None:
        self._page, self._index = _place()

    @property
    def value(self) -> int:
        """How many were taken, in all processes."""
        return self.take(0, 0, 0, 0)[1]

    def take(self, floor: int, least: int, most: int, limit: int) -> tuple[int, int]:
        """Take between least and most, up to the limit; how many, 0 where less than least is left, and the count then.

        floor: what the count is at least, for what was counted elsewhere.
        """
        return take_shared(self._page, self._index, floor, least, most, min(limit, _MOST))


def shared_tickets(used: int, limit: int) -> Tickets:
    """Tickets for so many messages, less those used, drawn in blocks over a process and its forked children."""
    page, index = _place()
    take_shared(page, index, used, 0, 0, limit)
    return Tickets(0, page, index, limit)
