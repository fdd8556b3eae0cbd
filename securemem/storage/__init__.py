"""Where sealed records live. What is kept here is encrypted already: no module of this layer sees a key in clear."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Protocol

    class Records(Protocol):
        """Sealed records by their identities, 16 bytes each. A commit is whole, or was not."""

        def __len__(self) -> int:
            """How many records there are."""
            ...

        def __iter__(self) -> Iterator[bytes]:
            """The identities, as they are now."""
            ...

        def read(self, identity: bytes) -> bytes | None:
            """The record, None where there is none."""
            ...

        def commit(self, written: Mapping[bytes, bytes | None]) -> tuple[tuple[Any, ...], ...]:
            """Keep records, each in the place of one of the same identity; None takes one away.

            Gives the steps that are left to do, which the caller does together with its own, all at once.
            """
            ...


__all__ = ["Records"]


def __getattr__(name: str) -> object:
    """Say that the protocol is for type checkers."""
    raise AttributeError(f"module 'securemem.storage' has no {name!r} at run time")
