"""Records out of a store and into another, all in one file: `_export_format` has its bytes, this what is in them."""

from __future__ import annotations

import os

from securemem._binding.gates import transfer
from securemem._binding.operations import operate
from securemem.exceptions import (
    InvalidArgumentError,
    KeyExistsError,
    KeyPolicyError,
    SecureMemError,
    StoreExistsError,
)
from securemem.keystore import _changes, _entries, _export_format, _renaming
from securemem.keystore._details import NOBODY, Details, check_labels, check_name, check_url
from securemem.keystore._root_key import new_record
from securemem.keystore._stored import Facts, State, StoredKey, StoredSecret, Version
from securemem.secure_bytes import SecureBytes
from securemem.storage import _paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from securemem._types import File, Scope
    from securemem.keystore._contents import Contents
    from securemem.keystore._export_format import Reading
    from securemem.keystore.handle import KeyHandle
    from securemem.keystore.kek import KeyEncryptionKey

    Entry = StoredKey | StoredSecret
    Written = dict[bytes, bytes | None]

__all__ = ["export_records", "import_records"]

_RANDOM_NONCES = 2**32  # as many messages as an algorithm with random 96-bit nonces allows
_LONGEST_SECRET = 2**20

# Out


def export_records(
    _scope: Scope,
    contents: Contents,
    path: str | os.PathLike[str],
    to: KeyEncryptionKey | bytes,
    names: Sequence[str] | None,
) -> tuple[str, ...]:
    """Write entries into a new file that `to` opens; the names of those that may not leave, where all are meant."""
    target = _paths.absolute(path)
    if os.path.lexists(target):
        raise StoreExistsError(17, "there is a file already: choose another path", target)
    head, identity, key = _export_format.begin(to)
    with key:
        return transfer(os.devnull, target, _export, contents, head, identity, key, names)


def _export(
    _source: File,
    target: File,
    contents: Contents,
    head: bytes,
    identity: bytes,
    key: SecureBytes,
    names: Sequence[str] | None,
) -> tuple[str, ...]:
    target.write(head)
    pieces = _export_format.Pieces(key, identity, target)
    return contents.change("export_records", "", _write, contents, pieces, names)


def _write(contents: Contents, pieces: _export_format.Pieces, names: Sequence[str] | None) -> tuple[str, ...]:
    left, count = [], 0
    for name in tuple(contents.entries) if names is None else names:
        entry = _renaming.entry_named(contents, name)
        if isinstance(entry, StoredKey) and not entry.policy.extractable:
            if names is not None:
                raise KeyPolicyError(f"key {name!r} may not leave the store (extractable)")
            left.append(name)
            continue
        _write_entry(contents, pieces, entry)
        count += 1
    pieces.write(bytes((_export_format.END,)) + count.to_bytes(8, "big"))
    return tuple(left)


def _write_entry(contents: Contents, pieces: _export_format.Pieces, entry: Entry) -> None:
    details = Details.read(entry.details)
    if isinstance(entry, StoredSecret):
        pieces.write(_entries.of_secret(entry.name, entry.value, entry.details))
        with contents.get(entry.name, None) as secret:
            pieces.write(secret)
    else:
        facts = [one.facts.__replace__(protected=one.used_bytes) for one in entry.versions]
        pieces.write(_entries.of_key(entry, entry.policy.encoded(), facts))
        for version in entry.versions:
            if version.state is not State.DESTROYED:
                pieces.write(contents.open(version))
    for record in details.records:
        with _renaming.value_of(contents, entry, record) as secret:
            pieces.write(secret)


# In


def import_records(
    _scope: Scope,
    contents: Contents,
    path: str | os.PathLike[str],
    by: KeyEncryptionKey | KeyHandle,
    replace: bool,
) -> tuple[str, ...]:
    """Take all entries of such a file, or none; their names."""
    with open(path, "rb") as source:  # noqa: PTH123 - a path of any kind
        reading = _export_format.open_file(source, by)
        return contents.change("import_records", "", _take, contents, reading, replace)


def _take(contents: Contents, reading: Reading, replace: bool) -> tuple[str, ...]:
    written: Written = {}
    steps: list[tuple[Any, ...]] = []
    names: list[str] = []
    while (entry := _next_entry(reading, len(names))) is not None:
        name = entry.name
        if name in names:
            raise _export_format.damaged()
        former = contents.entries.get(name)
        if former is not None:
            if not replace:
                raise KeyExistsError(f"the store has {name!r} already: rename or delete it first, or give replace=True")
            gone, forgotten = _changes.gone(contents, former)
            written |= gone
            steps += forgotten[1:]
        if isinstance(entry, StoredSecret):
            steps.append((contents.entries, name, _take_secret(contents, reading, entry, written)))
        else:
            steps.append((contents.entries, name, _take_key(contents, reading, entry, written)))
        names.append(name)
    reading.check_end()
    if names:
        contents.commit(written, steps)
    return tuple(names)


def _piece(scope: Scope, reading: Reading) -> bytes:
    return bytes(scope.read(reading.next(), "a piece"))  # the view alone holds it, and it is wiped with that


def _next_entry(reading: Reading, count: int) -> _entries.KeyEntry | StoredSecret | None:
    plain = operate(0, _piece, reading)
    if plain[0] == _export_format.END:
        if plain[1:] != count.to_bytes(8, "big"):
            raise _export_format.damaged()
        return None
    entry = _entries.read(plain, NOBODY)
    try:
        check_name(entry.name)
        details = Details.read(entry.details)
        if check_labels(details.labels) == details.labels and check_url(details.url) == details.url:
            return entry
    except InvalidArgumentError:
        pass
    raise _export_format.damaged()


def _take_values(contents: Contents, reading: Reading, record: bytes, encoded: bytes, written: Written) -> bytes:
    """Notes and former values; the details that name them as they are here."""
    details, moved = Details.read(encoded), {NOBODY: NOBODY}
    for one in details.records:
        moved[one] = _seal_value(contents, reading, record, written)
    if len(moved) != len(details.records) + 1:
        raise _export_format.damaged()
    former = tuple((time, moved[one]) for time, one in details.former)
    return details.__replace__(notes=moved[details.notes], former=former).encoded() if encoded else b""


def _seal_value(contents: Contents, reading: Reading, record: bytes, written: Written) -> bytes:
    new = new_record()
    with reading.next() as secret:
        if len(secret) > _LONGEST_SECRET:
            raise _export_format.damaged()
        written[new] = contents.root.seal_secret(record, new, secret)
    return new


def _take_secret(contents: Contents, reading: Reading, read: StoredSecret, written: Written) -> StoredSecret:
    record = contents.root.record_named(read.name)
    value = _seal_value(contents, reading, record, written)
    details = _take_values(contents, reading, record, read.details, written)
    written[record] = contents.root.seal_entry(record, _entries.of_secret(read.name, value, details))
    return StoredSecret(read.name, record, value, details)


def _take_key(contents: Contents, reading: Reading, read: _entries.KeyEntry, written: Written) -> StoredKey:
    record, policy = contents.root.record_named(read.name), read.policy.encoded()
    key = StoredKey(contents, read.name, read.algorithm, read.policy, record)
    states = [one.state for one in read.versions]
    numbers = [one.number for one in read.versions]
    try:
        fits = read.policy.for_algorithm(read.algorithm) is read.policy
    except SecureMemError:
        fits = False
    if not fits or not numbers or numbers != list(range(1, len(numbers) + 1)) or states.count(State.PRIMARY) > 1:
        raise _export_format.damaged()
    both = []  # made in a loop: a comprehension is a function, whose frame would keep the reading's key in a traceback
    for facts in read.versions:
        both.append(_take_version(contents, reading, key, facts, policy, written))  # noqa: PERF401 - see above
    if key.algorithm.cipher is not None and key.algorithm.most_messages <= _RANDOM_NONCES and State.PRIMARY in states:
        with SecureBytes.random(key.algorithm.size, arena=contents.arena) as new:
            facts = Facts(len(both) + 1, os.urandom(16), State.PRIMARY, new_record())
            written[facts.record] = contents.root.seal_key(key, facts, policy, new)
        both.append(facts)
    key.details = _take_values(contents, reading, record, read.details, written)
    key.versions = tuple(Version(key, facts) for facts in both)
    key._by_header = key.headers(*key.versions)  # noqa: SLF001 - as _changes sets it
    primary = [one for one in key.versions if one.state is State.PRIMARY]
    key.primary = primary[0] if primary else key.nobody()
    written[record] = contents.root.seal_entry(record, _entries.of_key(key, policy, both))
    return key


def _take_version(
    contents: Contents, reading: Reading, key: StoredKey, facts: Facts, policy: bytes, written: Written
) -> Facts:
    """One version, sealed. A primary one with random 96-bit nonces becomes active: the original may go on with it."""
    algorithm = key.algorithm
    if facts.state is State.DESTROYED:
        return facts
    if facts.state is State.PRIMARY and algorithm.cipher is not None and algorithm.most_messages <= _RANDOM_NONCES:
        facts = facts.__replace__(state=State.ACTIVE)
    facts = facts.__replace__(record=new_record())
    with reading.next() as secret:
        if not algorithm.least <= len(secret) <= algorithm.most:
            raise _export_format.damaged()
        public = b"" if algorithm.public_key is None else algorithm.public_key(secret)
        if public != facts.public or max(facts.drawn, facts.protected) > 2**62:
            raise _export_format.damaged()
        written[facts.record] = contents.root.seal_key(key, facts, policy, secret)
    return facts
