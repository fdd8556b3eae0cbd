"""What is said of a name, told and changed, and another name; each function is called inside the gate."""

from __future__ import annotations

from securemem.exceptions import KeyExistsError, KeyNotFoundError, KeyPolicyError
from securemem.keystore import _entries
from securemem.keystore._details import NOBODY, Details
from securemem.keystore._root_key import new_record
from securemem.keystore._stored import State, StoredKey, StoredSecret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from securemem.arenas import Arena
    from securemem.keystore._contents import Contents
    from securemem.keystore._root_key import RootKey
    from securemem.secure_bytes import SecureBytes

    Entry = StoredKey | StoredSecret

__all__ = ["checked_values", "entry_named", "former", "notes", "rename", "resealed_values", "set_details", "value_of"]


def entry_named(contents: Contents, name: str) -> Entry:
    """The key or opaque secret of that name; KeyNotFoundError where there is none."""
    found = contents.entries.get(name)
    if found is None:
        raise KeyNotFoundError(f"the store has no {name!r}")
    return found


def value_of(contents: Contents, entry: Entry, record: bytes, arena: Arena | None = None) -> SecureBytes:
    """Notes or a former value: a copy."""
    sealed = contents.records.read(record)
    if sealed is None:
        raise KeyNotFoundError(f"a record of {entry.name!r} is gone")
    return contents.with_room(contents.root.unseal_secret, entry.record, record, sealed, arena or contents.arena)


def notes(contents: Contents, name: str, arena: Arena | None) -> SecureBytes:
    """A copy of the notes."""
    entry = entry_named(contents, name)
    record = Details.read(entry.details).notes
    if record == NOBODY:
        raise KeyNotFoundError(f"{name!r} has no notes")
    return value_of(contents, entry, record, arena)


def former(contents: Contents, name: str, number: int, arena: Arena | None) -> SecureBytes:
    """A copy of a former value, 1 for the last one."""
    entry = entry_named(contents, name)
    known = Details.read(entry.details).former
    if not 0 < number <= len(known):
        raise KeyNotFoundError(f"{name!r} has {len(known)} former values, and none of number {number}")
    return value_of(contents, entry, known[number - 1][1], arena)


def set_details(
    contents: Contents, name: str, changed: dict[str, Any], given: SecureBytes | None, wiped: SecureBytes | None
) -> None:
    """Change what is said of a name. given: new notes; wiped: what they came in. Only under change()."""
    entry, written = entry_named(contents, name), dict[bytes, bytes | None]()
    former_details = Details.read(entry.details)
    if "keep" in changed:
        if isinstance(entry, StoredKey):
            raise KeyPolicyError(f"{name!r} is a key, whose versions are its history: keep is for opaque secrets")
        written |= dict.fromkeys(record for _, record in former_details.former[changed["keep"] :])
        changed |= {"former": former_details.former[: changed["keep"]]}
    if given is not None or "notes" in changed:
        changed["notes"] = NOBODY if given is None else new_record()
        if former_details.notes != NOBODY:
            written[former_details.notes] = None
    if given is not None:
        written[changed["notes"]] = contents.root.seal_secret(entry.record, changed["notes"], given)
    details = former_details.__replace__(**changed)
    _commit(contents, entry, details.encoded(), written, wiped)


def _commit(
    contents: Contents,
    entry: Entry,
    details: bytes,
    written: dict[bytes, bytes | None],
    wiped: SecureBytes | None,
) -> None:
    steps: list[tuple[Any, ...]] = [] if wiped is None else [(wiped,)]
    if isinstance(entry, StoredSecret):
        plain = _entries.of_secret(entry.name, entry.value, details)
        steps.append((contents.entries, entry.name, entry.__replace__(details=details)))
    else:
        plain = _entries.of_key(entry, entry.policy.encoded(), [one.facts for one in entry.versions], details)
        steps.append((entry, "details", details))
    written[entry.record] = contents.root.seal_entry(entry.record, plain)
    contents.commit(written, steps)


def checked_values(contents: Contents, entry: Entry) -> list[bytes]:
    """The records of notes and former values, each of which was opened."""
    records = Details.read(entry.details).records
    for one in records:
        value_of(contents, entry, one).wipe()
    return records


def resealed_values(contents: Contents, root: RootKey, entry: Entry, record: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Notes and former values sealed anew, for an entry in that record under that root key; and the details then."""
    details, written = Details.read(entry.details), dict[bytes, bytes]()
    moved = {NOBODY: NOBODY}
    for one in details.records:
        moved[one] = new_record()
        with value_of(contents, entry, one) as secret:
            written[moved[one]] = root.seal_secret(record, moved[one], secret)
    others = tuple((time, moved[one]) for time, one in details.former)
    return (details.__replace__(notes=moved[details.notes], former=others).encoded() if entry.details else b""), written


def rename(contents: Contents, name: str, new: str) -> None:
    """Give a key or an opaque secret another name: all of it is sealed anew, as it is bound to the name."""
    entry = entry_named(contents, name)
    if new == name:
        return
    if new in contents.entries:
        raise KeyExistsError(f"the store has {new!r} already: choose another name, or delete it first")
    root = contents.root
    record = root.record_named(new)
    details, values = resealed_values(contents, root, entry, record)
    gone = (entry.record, *Details.read(entry.details).records)
    written: dict[bytes, bytes | None] = {**dict.fromkeys(gone), **values}
    steps: list[tuple[Any, ...]] = [(contents.entries, name)]
    if isinstance(entry, StoredSecret):
        value = new_record()
        with contents.get(name, None) as secret:
            written |= {entry.value: None, value: root.seal_secret(record, value, secret)}
        plain = _entries.of_secret(new, value, details)
        steps.append((contents.entries, new, StoredSecret(new, record, value, details)))
    else:
        more, plain = _renamed_key(contents, entry, record, new, details, written)
        steps += more
    written[record] = root.seal_entry(record, plain)
    contents.commit(written, steps)


def _renamed_key(
    contents: Contents, key: StoredKey, record: bytes, new: str, details: bytes, written: dict[bytes, bytes | None]
) -> tuple[list[tuple[Any, ...]], bytes]:
    policy, everything = key.policy.encoded(), []
    steps: list[tuple[Any, ...]] = [(key, "name", new), (key, "record", record), (key, "details", details)]
    for version in key.versions:
        facts = version.facts
        if facts.state is not State.DESTROYED:
            facts = facts.__replace__(record=new_record(), protected=version.noted_bytes)
            sealed = contents.root.seal_key(key, facts, policy, contents.open(version), record)
            written |= {version.facts.record: None, facts.record: sealed}
        everything.append(facts)
        steps += version.steps(facts, key.policy)
    return [*steps, (contents.entries, new, key)], _entries.of_key(key, policy, everything, details, new)
