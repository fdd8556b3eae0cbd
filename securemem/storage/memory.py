"""Sealed records in ordinary memory, for a store that ends with its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MemoryRecords"]


class MemoryRecords:
    """Ciphertexts by their identities, 16 random bytes each. Every method is one step for all threads."""

    __slots__ = ("_sealed",)

    def __init__(self) -> None:
        self._sealed: dict[bytes, bytes] = {}

    def __getitem__(self, identity: bytes) -> bytes:
        """The record; KeyError where there is none."""
        return self._sealed[identity]

    def __setitem__(self, identity: bytes, sealed: bytes) -> None:
        """Keep a record, in the place of one of the same identity."""
        self._sealed[identity] = sealed

    def __delitem__(self, identity: bytes) -> None:
        """Forget a record; KeyError where there is none."""
        del self._sealed[identity]

    def __iter__(self) -> Iterator[bytes]:
        """The identities, as they are now."""
        return iter(tuple(self._sealed))

    def __len__(self) -> int:
        """How many records there are."""
        return len(self._sealed)
