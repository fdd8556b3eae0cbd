"""The entries of a store in a file: each is read and opened when its name is first asked for."""

from __future__ import annotations

from typing import Any

from securemem.keystore._stored import StoredKey, StoredSecret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Entry = StoredKey | StoredSecret

__all__ = ["Names"]


class Names(dict[str, StoredKey | StoredSecret]):
    """Entries by their names. As a dict it has those that were asked for: `apply` changes these.

    find: reads one. list_all: the names of all. count: how many there are. refresh: takes up what
    other processes changed.
    """

    __slots__ = ("_count", "_find", "_list_all", "_refresh")

    def __init__(
        self,
        find: Callable[[str], Entry | None],
        list_all: Callable[[], list[str]],
        count: Callable[[], int],
        refresh: Callable[[], None],
    ) -> None:
        super().__init__()
        self._find = find
        self._refresh = refresh
        self._list_all = list_all
        self._count = count

    def get(self, name: Any, default: Any = None) -> Any:
        """The entry of that name as it is now, read if it was not yet."""
        self._refresh()
        found = super().get(name)
        if found is None and isinstance(name, str):
            found = self._find(name)
        return default if found is None else found

    def __contains__(self, name: object) -> bool:
        """Whether there is an entry of that name."""
        return self.get(name) is not None

    def __missing__(self, name: str) -> Entry:
        """Read it."""
        found = self._find(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        """The names of all entries, in their order."""
        return iter(self._list_all())

    def __len__(self) -> int:
        """How many entries there are."""
        return self._count()

    def loaded(self) -> list[Entry]:
        """The entries that were read."""
        return list(self.values())
