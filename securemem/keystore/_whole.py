"""What is done with all of a store in a file: a new root key, a check, a backup, and the first opening of that."""

from __future__ import annotations

from securemem._binding.operations import operate
from securemem.keystore import _changes, _entries, _index, _renaming, _wraps
from securemem.keystore._book import Header, stamp
from securemem.keystore._gate import apply
from securemem.keystore._root_key import GENERATION, IDENTITY, RECORD, WRAPPED_ROOT, is_of_index, new_record
from securemem.keystore._stored import State, StoredKey, StoredSecret
from securemem.storage import _paths
from securemem.storage._sqlite_errors import damaged, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any

    from securemem.keystore._durable import DurableContents
    from securemem.keystore._root_key import RootKey

__all__ = ["backup", "check", "leave_the_past", "reseal"]

_RANDOM_NONCES = 2**32  # as many messages as an algorithm with random 96-bit nonces allows


def reseal(contents: DurableContents, new: RootKey, wrapped: bytes) -> None:
    """Seal every record anew under another root key. Only under change()."""
    new.generation, new.entries = contents.root.generation, {}
    generation = new.generation.to_bytes(GENERATION, "big")
    records = {
        IDENTITY: generation + new.identity + new.proof,
        WRAPPED_ROOT: generation + _wraps.encoded("first", wrapped),
    }
    steps: list[tuple[Any, ...]] = []
    for entry in contents.everything():
        if isinstance(entry, StoredSecret):
            steps += _resealed_secret(contents, new, entry, records)
        else:
            steps += _resealed_key(contents, new, entry, records)
    assert new.entries is not None  # noqa: S101 - given by the caller
    records |= _index.whole(new, new.entries)
    new.entries = None
    state, book = contents.book.replace(new.key(), records), contents.book
    stamps = {one: stamp(record) for one, record in records.items()}
    steps += [(book, "state", state), (book, "root", new), (contents, "stamps", stamps)]
    apply(*steps, (contents, "root", new), (contents.root.cell,))


def _resealed_secret(
    contents: DurableContents, new: RootKey, found: StoredSecret, records: dict[bytes, bytes]
) -> list[tuple[Any, ...]]:
    record, value = new.record_named(found.name), new_record()
    details, values = _renaming.resealed_values(contents, new, found, record)
    records |= values
    with contents.get(found.name, None) as secret:
        records[value] = new.seal_secret(record, value, secret)
    records[record] = new.seal_entry(record, _entries.of_secret(found.name, value, details))
    return [(contents.entries, found.name, StoredSecret(found.name, record, value, details))]


def _resealed_key(
    contents: DurableContents, new: RootKey, key: StoredKey, records: dict[bytes, bytes]
) -> list[tuple[Any, ...]]:
    record, policy, everything = new.record_named(key.name), key.policy.encoded(), []
    details, values = _renaming.resealed_values(contents, new, key, record)
    records |= values
    steps: list[tuple[Any, ...]] = [(key, "record", record), (key, "details", details)]
    for version in key.versions:
        facts = version.facts
        if facts.state is not State.DESTROYED:
            facts = facts.__replace__(record=new_record())
            records[facts.record] = new.seal_key(key, facts, policy, contents.open(version), record)
        everything.append(facts)
        steps += version.steps(facts, key.policy)
    records[record] = new.seal_entry(record, _entries.of_key(key, policy, everything, details))
    return steps


def check(contents: DurableContents) -> None:
    """Every page, the set, and every record. Only under change()."""
    book, file = contents.book, contents.book.file
    file.check_schema()
    file.check()
    state = book.take_stock(contents.root.key())
    reached = {one for one in state.known if not any(one[: RECORD - 1]) or is_of_index(one)}
    entries: dict[bytes, bytes] = {}
    for entry in contents.everything():
        reached |= {entry.record, *_renaming.checked_values(contents, entry)}
        if isinstance(entry, StoredSecret):
            entries[entry.record] = _entries.of_secret(entry.name, entry.value, entry.details)
            reached.add(entry.value)
            contents.get(entry.name, None).wipe()
        else:
            entries[entry.record] = _entries.of_key(
                entry, entry.policy.encoded(), [one.facts for one in entry.versions]
            )
            reached |= _checked_key(contents, entry)
    if reached != state.known.keys():
        raise damaged(file.path, "there are records that no name leads to")
    if not _index.check(book, entries):
        raise damaged(file.path, "its index does not have what there is")


def _checked_key(contents: DurableContents, key: StoredKey) -> set[bytes]:
    reached = set()
    for version in key.versions:
        facts = version.facts
        if facts.state is State.DESTROYED:
            continue
        sealed = contents.book.read(facts.record)
        if sealed is None:
            raise damaged(contents.book.file.path, "the record of a key is gone")
        contents.root.unseal_key(key, facts, sealed, contents.arena).wipe()
        reached.add(facts.record)
    return reached


def backup(contents: DurableContents, path: str | os.PathLike[str]) -> None:
    """A copy that is marked as one. Only under change(), so that the file does not change."""

    def marked(number: int, sealed: bytes) -> bytes:
        root, identity = contents.root.key(), contents.root.identity
        header = Header.unsealed(root, identity, number, sealed)
        header.is_copy = True
        return header.sealed(root, identity, number)

    target = _paths.absolute(path)
    told(target, operate, 0, contents.book.file.copy, target, marked)


def leave_the_past(contents: DurableContents) -> None:
    """In a backup: rotate keys with random 96-bit nonces, as the original may go on with the same ones."""
    if not contents.book.seen.is_copy:
        return
    for name in tuple(contents.entries):
        key = contents.entries[name]
        if not isinstance(key, StoredKey) or key.algorithm.cipher is None or key.primary.facts.number == 0:
            continue
        if key.algorithm.most_messages <= _RANDOM_NONCES:
            contents.change("rotate", name, _changes.rotate, key, False)
    contents.alone(_forget_copying, contents)


def _forget_copying(contents: DurableContents) -> None:
    apply(*contents.book.commit({}, forget_copying=True))
