"""What a store tells of its names, and how it is asked: the part of KeyStore that is not about using keys."""

from __future__ import annotations

from securemem._binding.operations import operate
from securemem.exceptions import InvalidArgumentError, KeyNotFoundError, SizeError
from securemem.keystore import _renaming, _search
from securemem.keystore._details import Details, check_keep, check_labels, check_url, item_of, seconds_of, time_of
from securemem.keystore._stored import StoredSecret
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from types import EllipsisType
    from typing import Any

    from securemem._types import Scope
    from securemem.arenas import Arena
    from securemem.keystore._contents import Contents
    from securemem.keystore._details import Item

__all__ = ["LONGEST_SECRET", "Catalogue", "check_name"]

LONGEST_SECRET = 2**20
_LONGEST_NAME = 255


class Catalogue:
    """The names of a store, and what is said of them. What is said is sealed; it is opened to be told.

    All methods raise StoreLockedError while the store is locked, and KeyNotFoundError for a name that is not there.
    """

    __slots__ = ()

    _contents: Contents

    def item(self, name: str) -> Item:
        """What is said of a key or an opaque secret."""
        return self._contents.gate.run(self._item, name)

    def _item(self, name: str) -> Item:
        return item_of(_renaming.entry_named(self._contents, name))

    def items(self) -> Iterator[Item]:
        """What is said of each key and opaque secret there is now, in the order of the store."""
        return iter(self._contents.gate.run(self._items))

    def _items(self) -> list[Item]:
        entries = self._contents.entries
        return [item_of(one) for one in (entries.get(name) for name in tuple(entries)) if one is not None]

    def find(self, text: str) -> list[Item]:
        """What is said of those that have the text in their name, a label or their URL, in capitals or not.

        Entries are opened one after the other in locked memory, and searched there. The text itself is no secret.
        """
        return operate(0, self._find, _search.pattern(text))

    def _find(self, _scope: Scope, wanted: re.Pattern[bytes]) -> list[Item]:
        return self._contents.gate.run(self._search, wanted)

    def _search(self, wanted: re.Pattern[bytes]) -> list[Item]:
        contents = self._contents
        contents.refresh()
        records = _search.search(contents.root, contents.sealed_entries(), wanted)
        return sorted(map(item_of, contents.entries_at(records)), key=_by_name)

    def set_details(
        self,
        name: str,
        *,
        labels: Iterable[str] | None = None,
        url: str | None = None,
        expires: datetime | EllipsisType | None = ...,
        notes: SecureBytes | EllipsisType | None = ...,
        keep: int | None = None,
    ) -> None:
        """Change what is said of a key or an opaque secret; what is not given stays.

        labels: up to 50, in the place of all there were. url: printable text, "" for none. expires: a time with a time
        zone, None for never; the store does not act on it. notes: a SecureBytes of up to 2**20 bytes, which is wiped
        once it is sealed; None for none. keep: how many former values of an opaque secret put() is to keep, 0 to 20;
        those above go at once.

        Raises InvalidArgumentError and SizeError for what cannot be, KeyPolicyError for keep and a key.
        """
        changed: dict[str, Any] = {}
        if labels is not None:
            changed["labels"] = check_labels(labels)
        if url is not None:
            changed["url"] = check_url(url)
        if not isinstance(expires, type(...)):
            changed["expires"] = seconds_of(expires)
        if keep is not None:
            changed["keep"] = check_keep(keep)
        given = _checked_notes(notes)
        if notes is None:
            changed["notes"] = b""
        if not changed and given is None:
            raise InvalidArgumentError("say what is to change: labels, url, expires, notes or keep")
        self._contents.change("set_details", name, _renaming.set_details, self._contents, name, changed, given, given)

    def notes(self, name: str, *, arena: Arena | None = None) -> SecureBytes:
        """A copy of the notes, in the given arena or the store's; KeyNotFoundError where there are none."""
        return self._contents.run("notes", name, _renaming.notes, self._contents, name, arena)

    def history(self, name: str) -> tuple[datetime | None, ...]:
        """Since when each former value of an opaque secret was the value, the last one first; get() gives them.

        How many are kept, put() or set_details() says; none unless they do.
        """
        return self._contents.gate.run(self._history, name)

    def _history(self, name: str) -> tuple[datetime | None, ...]:
        entry = _renaming.entry_named(self._contents, name)
        if not isinstance(entry, StoredSecret):
            raise KeyNotFoundError(f"{name!r} is a key: its history is in store[{name!r}].versions")
        return tuple(time_of(since) for since, _ in Details.read(entry.details).former)

    def rename(self, name: str, new: str) -> None:
        """Give a key or an opaque secret another name. All of it is sealed anew, as it is bound to the name.

        Handles of the key go on under the new name; in other processes they have to be had anew.

        Raises KeyExistsError for a name that is taken, InvalidArgumentError for one that cannot be.
        """
        check_name(new)
        self._contents.change("rename", name, _renaming.rename, self._contents, name, new)


def _by_name(item: Item) -> str:
    return item.name


def _checked_notes(notes: SecureBytes | EllipsisType | None) -> SecureBytes | None:
    if notes is None or isinstance(notes, type(...)):
        return None
    if not isinstance(notes, SecureBytes):
        raise TypeError(f"notes must be a SecureBytes or None, not {type(notes).__name__}")
    if len(notes) > LONGEST_SECRET:
        raise SizeError(f"notes have 1 to {LONGEST_SECRET} bytes")
    return notes


def check_name(name: str) -> None:
    """TypeError for what is no str, InvalidArgumentError unless it has 1 to 255 printable characters."""
    if not isinstance(name, str):
        raise TypeError(f"a name must be a str, not {type(name).__name__}")
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidArgumentError(f"a name has 1 to {_LONGEST_NAME} printable characters")
