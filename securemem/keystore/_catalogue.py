"""What a store tells of its names, and how it is asked: the part of KeyStore that is not about using keys."""

from __future__ import annotations

from types import EllipsisType

from securemem._binding.operations import operate
from securemem.exceptions import InvalidArgumentError, KeyNotFoundError, SizeError
from securemem.keystore import _exchange, _renaming, _search
from securemem.keystore._details import (
    Details,
    check_keep,
    check_labels,
    check_name,
    check_url,
    item_of,
    seconds_of,
    time_of,
)
from securemem.keystore._stored import StoredSecret
from securemem.keystore.handle import KeyHandle
from securemem.keystore.kek._checks import check_kek
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    import re
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from typing import Any

    from securemem._types import Scope
    from securemem.arenas import Arena
    from securemem.keystore._contents import Contents
    from securemem.keystore._details import Item
    from securemem.keystore.kek import KeyEncryptionKey

__all__ = ["LONGEST_SECRET", "Catalogue"]

LONGEST_SECRET = 2**20


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
        self._contents.refresh()
        return list(map(item_of, self._contents.everything()))

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
        records = contents.search(wanted)
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
        if not isinstance(expires, EllipsisType):
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

    # All of them, to another store

    def export_records(
        self, path: str | os.PathLike[str], to: KeyEncryptionKey | bytes, names: Iterable[str] | None = None
    ) -> tuple[str, ...]:
        """Write keys and opaque secrets, with all that is said of them, into a new file of mode 0600, sealed.

        to: what opens the file: a key-encryption key such as Passphrase, or the public key, 32 bytes, of an X25519 key
        in another store. names: None for all that may leave. The file is whole, or there is none.

        Gives the names of keys that were left out as they are not extractable. Raises KeyPolicyError where such a key
        is among the names, StoreExistsError where there is a file, OSError as files do, PeerKeyError and SizeError for
        what is no public key, and what to.wrap() raises.
        """
        if not isinstance(to, bytes):
            check_kek(to)
        if isinstance(names, str):
            raise TypeError("names must be several str, such as ['one'], or None")
        chosen = None if names is None else tuple(dict.fromkeys(names))
        return operate(0, _exchange.export_records, self._contents, path, to, chosen)

    def import_records(
        self, path: str | os.PathLike[str], by: KeyEncryptionKey | KeyHandle, *, replace: bool = False
    ) -> tuple[str, ...]:
        """Take all that export_records() wrote into a file, or nothing; the names that came.

        by: the key-encryption key, or the handle of the X25519 key that it was exported to. replace: let what comes
        take the place of what has its name. Keys whose nonces are random 96-bit ones come with a new primary version,
        as the original may go on with the old one.

        Raises WrongKeyEncryptionKeyError (a wrong passphrase), ForeignFileError, NewerFormatError, StoreTamperedError
        for a file that is not as it was written, KeyExistsError for a name that is taken, and OSError as files do.
        """
        if not isinstance(by, KeyHandle):
            check_kek(by)
        return operate(0, _exchange.import_records, self._contents, path, by, replace)


def _by_name(item: Item) -> str:
    return item.name


def _checked_notes(notes: SecureBytes | EllipsisType | None) -> SecureBytes | None:
    if notes is None or isinstance(notes, EllipsisType):
        return None
    if not isinstance(notes, SecureBytes):
        raise TypeError(f"notes must be a SecureBytes or None, not {type(notes).__name__}")
    if len(notes) > LONGEST_SECRET:
        raise SizeError(f"notes have 1 to {LONGEST_SECRET} bytes")
    return notes
