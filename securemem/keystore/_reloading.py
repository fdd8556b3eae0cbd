"""Keys as a store's file has them: made when first read, brought up to date when another process was there."""

from __future__ import annotations

from operator import length_hint

from securemem._binding.tickets import Tickets
from securemem.keystore import _changes, _entries
from securemem.keystore._root_key import new_record
from securemem.keystore._stored import State, StoredKey, StoredSecret, Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from securemem.keystore._contents import Contents
    from securemem.keystore._entries import KeyEntry
    from securemem.keystore._stored import Facts

__all__ = ["give_back", "has_left", "made", "steps"]


def made(contents: Contents, read: KeyEntry, record: bytes) -> StoredKey:
    """A key as it was written down."""
    key = StoredKey(contents, read.name, read.algorithm, read.policy, record, read.details)
    key.versions = tuple(Version(key, facts) for facts in read.versions)
    key._by_header = key.headers(*key.versions)  # noqa: SLF001 - as _changes sets it
    key.primary = _primary(key, key.versions)
    return key


def _primary(key: StoredKey, versions: Sequence[Version], facts: Sequence[Facts] = ()) -> Version:
    found = facts or [one.facts for one in versions]
    primary = [version for version, one in zip(versions, found, strict=True) if one.state is State.PRIMARY]
    return primary[0] if primary else key.nobody()


def steps(
    contents: Contents, entry: StoredKey | StoredSecret, read: KeyEntry | StoredSecret | None, record: bytes
) -> list[tuple[Any, ...]]:
    """What makes of an entry what was read in its place; None: it was deleted. record: where it lies now."""
    if isinstance(entry, StoredKey) and isinstance(read, _entries.KeyEntry) and _is_same(entry, read):
        return [*_updated(entry, read), (entry, "record", record)]
    _, forgotten = _changes.gone(contents, entry)
    if read is None:
        return forgotten
    other = read if isinstance(read, StoredSecret) else made(contents, read, record)
    return [*forgotten[1:], (contents.entries, other.name, other)]


def _is_same(key: StoredKey, read: KeyEntry) -> bool:
    known = [one.facts.key_id for one in key.versions]
    return key.algorithm is read.algorithm and known == [one.key_id for one in read.versions[: len(known)]]


def _updated(key: StoredKey, read: KeyEntry) -> list[tuple[Any, ...]]:
    new = [Version(key, facts) for facts in read.versions[len(key.versions) :]]
    versions, changes = (*key.versions, *new), []
    for version, facts in zip(versions, read.versions, strict=True):
        changes += version.steps(facts, read.policy)
        if facts.state in {State.DISABLED, State.DESTROYED}:
            changes.append((version,))
    changes += [(key, "policy", read.policy), (key, "details", read.details), (key, "versions", versions)]
    changes += [(key, "primary", _primary(key, versions, read.versions)), (key, "_by_header", key.headers(*new))]
    return changes


def has_left(key: StoredKey) -> bool:
    """Whether messages or bytes were reserved for the primary version, and not used."""
    version = key.primary
    return version.facts.number > 0 and (length_hint(version.tickets or ()) > 0 or version.bytes_left > 0)


def give_back(contents: Contents, keys: Sequence[StoredKey]) -> None:
    """Write down that what was reserved and not used is free. Only under change()."""
    written: dict[bytes, bytes | None] = {}
    changes: list[tuple[Any, ...]] = []
    for key in keys:
        if not key.gone and has_left(key):
            version, left = key.primary, length_hint(key.primary.tickets or ())
            drawn, protected = version.facts.drawn - left, version.used_bytes
            facts = version.facts.__replace__(drawn=drawn, protected=protected, record=new_record())
            more, further = contents.redrawn(version, facts, Tickets(0))
            written |= more
            changes += [*further, (version, "allowance", 0)]
    if written:
        contents.commit(written, changes)
