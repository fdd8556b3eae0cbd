"""Sealed records in ordinary memory, for a store that ends with its process."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

__all__ = ["MemoryRecords"]


class MemoryRecords:
    """Ciphertexts by their identities; see `Records`."""

    __slots__ = ("_sealed",)

    def __init__(self) -> None:
        self._sealed: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        """How many records there are."""
        return len(self._sealed)

    def __iter__(self) -> Iterator[bytes]:
        """The identities, as they are now."""
        return iter(tuple(self._sealed))

    def read(self, identity: bytes) -> bytes | None:
        """The record, None where there is none."""
        return self._sealed.get(identity)

    def commit(self, written: Mapping[bytes, bytes | None]) -> tuple[tuple[Any, ...], ...]:
        """Give the steps of the change, which is whole when the caller does them at once."""
        sealed = self._sealed
        return tuple((sealed, one) if record is None else (sealed, one, record) for one, record in written.items())
