"""A store's file changed by somebody who can write it and lacks its keys: each change is found, or changes nothing."""

from __future__ import annotations

import sqlite3

import pytest

from securemem import KeyStore, SecureMemError
from securemem.exceptions import StoreTamperedError
from securemem.keystore import _durable
from tests.support import stores
from tests.support.stores import altered, copied

KINDS = {"page": 512}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A store of small pages, its key file, a box, and what is in it."""
    tmp_path.chmod(0o700)
    whole = _durable.create
    monkeypatch.setattr(_durable, "create", lambda path, kek, arena: whole(path, kek, arena, **KINDS))
    path, kek = stores.filled(tmp_path)
    box = (tmp_path / "store.box").read_bytes()
    return path, kek, box, stores.content(path, kek, box)


def opens_to(path, kek, box):
    """What is in a store, or the name of the typed error by which it is refused."""
    try:
        return stores.content(path, kek, box)
    except SecureMemError as error:
        return type(error).__name__


def test_every_byte_changed_is_found_or_changes_nothing(small, tmp_path):
    """Each byte of the file in turn, one bit and all bits: a typed error, or exactly the same content."""
    path, kek, box, content = small
    data, target = path.read_bytes(), copied(path, tmp_path / "changed")
    outcomes = {}
    for at in range(len(data)):
        for mask in (0x01, 0xFF) if at < 600 else (0xFF if at % 2 else 0x10,):
            target.write_bytes(data[:at] + bytes((data[at] ^ mask,)) + data[at + 1 :])
            found = opens_to(target, kek, box)
            assert isinstance(found, str) or found == content, f"byte {at} changed by {mask:#x} gives {found}"
            kind = found if isinstance(found, str) else "same"
            outcomes[kind] = outcomes.get(kind, 0) + 1
    assert outcomes["StoreTamperedError"] > len(data) / 4  # the control: changes are seen
    assert outcomes["same"] > 0  # unused bytes
    assert outcomes.keys() <= {
        "same",
        "StoreTamperedError",
        "ForeignFileError",
        "NewerFormatError",
        "WrongKeyEncryptionKeyError",
        "StoreFileError",
    }, outcomes


def test_every_prefix_is_found_or_changes_nothing(small, tmp_path):
    """Each cut of the file: a typed error, or exactly the same content, where the last page was a free one."""
    path, kek, box, content = small
    data, target = path.read_bytes(), copied(path, tmp_path / "cut")
    refused = 0
    for size in range(len(data)):
        target.write_bytes(data[:size])
        found = opens_to(target, kek, box)
        assert isinstance(found, str) or found == content, size
        refused += isinstance(found, str)
    assert refused >= len(data) - KINDS["page"]
    target.write_bytes(data)
    assert opens_to(target, kek, box) == content


def rows(path):
    """The records as they are in the file."""
    with sqlite3.connect(path) as connection:
        found = dict(connection.execute("SELECT id, sealed FROM records"))
    connection.close()
    return found


PUT = "INSERT OR REPLACE INTO records VALUES (?, ?)"
SCHEMA = [
    "CREATE TABLE more (a)",
    "CREATE INDEX more ON records(sealed)",
    "CREATE VIEW more AS SELECT 1",
    "CREATE TRIGGER more AFTER INSERT ON records BEGIN DELETE FROM log; END",
    "ALTER TABLE records ADD COLUMN more",
    "ALTER TABLE log RENAME TO logs",
    "DROP TABLE log",
    "DROP TABLE header",
    "DROP TABLE records",
    "DELETE FROM header",
    "INSERT INTO header SELECT 2, root, sealed FROM header",
    "UPDATE header SET root = 2",
    "UPDATE header SET root = 'text'",
    "UPDATE header SET sealed = 'text'",
    "UPDATE header SET sealed = x''",
    "UPDATE header SET sealed = zeroblob(131)",
    "UPDATE records SET sealed = 'text'",
    "UPDATE records SET sealed = x''",
    "DELETE FROM records",
    "INSERT INTO records VALUES ('text', x'00')",
    "INSERT INTO records VALUES (x'00', x'00')",
    "INSERT INTO records VALUES (zeroblob(16), x'00')",
    "PRAGMA journal_mode=WAL",
    "PRAGMA user_version=0",
]


@pytest.mark.parametrize("statement", SCHEMA)
def test_changes_by_sql_are_found(small, statement):
    """Tables, views, triggers, indexes, settings, the header, and records of other types."""
    path, kek, box, content = small
    assert opens_to(path, kek, box) == content  # the control
    try:
        altered(path, statement)
    except sqlite3.IntegrityError:
        altered(path, "DELETE FROM records WHERE id = zeroblob(16)", statement)
    with pytest.raises(StoreTamperedError):
        KeyStore.open(path, kek)


def test_log_entries_are_hints_only(small):
    """Whoever changes the log makes other processes read all records, and nothing else."""
    path, kek, box, content = small
    with KeyStore.open(path, kek) as reader, KeyStore.open(path, kek) as writer:
        for lie in ("UPDATE log SET changed = zeroblob(160)", "DELETE FROM log", "UPDATE log SET changed = 'text'"):
            writer.put("name", bytearray(b"value"))
            altered(path, lie)
            with reader.get("name") as found:
                assert found == b"value"
        writer.delete("name")
    assert opens_to(path, kek, box) == content


def test_records_cannot_be_dropped_doubled_swapped_or_brought_from_elsewhere(small, tmp_path):
    """Each record deleted, each in the place of each other, under a new name, from another store, from the past."""
    path, kek, _, _ = small
    other, _ = stores.filled(tmp_path, "other")
    old = rows(path)
    with KeyStore.open(path, kek) as store:
        store.put("first", bytearray(b"replaced"))
        store["key"].destroy(1)
        store.delete("second")
    now, foreign = rows(path), rows(other)
    attacks = [("DELETE FROM records WHERE id = ?", (one,)) for one in now]
    attacks += [(PUT, (one, now[two])) for one in now for two in now if one != two]
    attacks += [(PUT, (bytes(15) + b"\x09", now[one])) for one in now]
    attacks += [(PUT, (one, sealed)) for one, sealed in foreign.items()]
    attacks += [(PUT, (one, sealed)) for one, sealed in old.items() if now.get(one) != sealed]
    assert len(attacks) > 60  # every record in the place of every other, at least
    for number, (statement, values) in enumerate(attacks):
        target = copied(path, tmp_path / "attacked")
        altered(target, statement, values=values)
        with pytest.raises((StoreTamperedError, SecureMemError)) as caught:
            KeyStore.open(target, kek)
        assert type(caught.value).__name__ in {"StoreTamperedError", "WrongKeyEncryptionKeyError"}, number
        if not any(values[0][:15]):  # the wrapped root key itself: nothing opens it
            continue
        assert isinstance(caught.value, StoreTamperedError)


def test_a_running_process_finds_changes_when_it_reads(small):
    """Each record that is changed, or gone, while the store is open: StoreTamperedError by get() and by check()."""
    path, kek, _, _ = small
    with KeyStore.open(path, kek) as store:
        old = rows(path)
        store.put("first", bytearray(b"replaced"))
        store.get("first").wipe()
        now = rows(path)
        entry = store._contents.entries["first"]
        for change in (("DELETE FROM records WHERE id = ?", (entry.value,)), (PUT, (entry.value, b"\0" * 100))):
            altered(path, change[0], values=change[1])
            with pytest.raises(StoreTamperedError):
                store.get("first")
            with pytest.raises(StoreTamperedError):
                store.check()
            altered(path, PUT, values=(entry.value, now[entry.value]))
        altered(path, PUT, values=(entry.record, old[entry.record]))  # the former state of the name
        with pytest.raises(StoreTamperedError):
            store.check()
        altered(path, PUT, values=(entry.record, now[entry.record]))
        with store.get("first") as found:
            assert found == b"replaced"
        store.check()


def test_a_state_cannot_be_turned_back(small, tmp_path):
    """The records of a destroyed version, and the whole header of before: none makes it active again."""
    path, kek, box, _ = small
    before, old = rows(path), copied(path, tmp_path / "old")
    with KeyStore.open(path, kek) as store:
        store["key"].destroy(1)
        for one, sealed in before.items():
            altered(path, PUT, values=(one, sealed))
        with pytest.raises(StoreTamperedError):
            store.check()
        with sqlite3.connect(old) as connection:
            (header,) = connection.execute("SELECT sealed FROM header").fetchone()
        connection.close()
        altered(path, "UPDATE header SET sealed = ?", values=(header,))
        with pytest.raises(StoreTamperedError):
            store["key"].decrypt(box, b"context")


def test_a_removed_kek_cannot_be_put_back(small):
    """Its record is one of the authenticated set."""
    path, kek, _, _ = small
    with KeyStore.open(path, kek) as store:
        store.add_kek(stores.passphrase(), "other")
        before = rows(path)
        store.remove_kek("other")
    (gone,) = before.keys() - rows(path).keys()
    KeyStore.open(path, kek).close()
    altered(path, PUT, values=(gone, before[gone]))
    for each in (kek, stores.passphrase()):
        with pytest.raises(StoreTamperedError):
            KeyStore.open(path, each)


def test_a_running_process_takes_no_forged_key_encryption_key(small):
    """Labels, salts and wrappings are taken from the authenticated set: swapped, changed or added rows are found."""
    path, kek, _, _ = small
    with KeyStore.open(path, kek) as store:
        store.add_kek(stores.passphrase(), "other")
        assert store.keks == ("first", "other")  # the control
        now = {one: sealed for one, sealed in rows(path).items() if not any(one[:15]) and one[15]}
        (first, one), (second, two) = sorted(now.items())
        uses = (
            lambda: store.keks,
            lambda: store.remove_kek("other"),
            lambda: store.add_kek(stores.passphrase(b"third"), "third"),
            lambda: store.change_kek(stores.passphrase(b"third")),
        )
        salted = two[:-80] + bytes((two[-80] ^ 1,)) + two[-79:]
        for forged in ({first: two, second: one}, {second: salted}, {first: one[:10] + b"x" + one[11:]}):
            for identity, sealed in forged.items():
                altered(path, PUT, values=(identity, sealed))
            for use in uses:
                with pytest.raises(StoreTamperedError):
                    use()
            for identity in forged:
                altered(path, PUT, values=(identity, now[identity]))
        altered(path, PUT, values=(bytes(15) + b"\x07", two))  # one that nobody added
        assert store.keks == ("first", "other")
        with pytest.raises(StoreTamperedError):
            store.check()
        altered(path, "DELETE FROM records WHERE id = ?", values=(bytes(15) + b"\x07",))
        store.check()


def test_another_history_of_the_same_length_is_found(small, tmp_path):
    """A copy that was changed as often, put in place: by reads, changes, check() and unlock() of a running process."""
    path, kek, _, _ = small
    other = copied(path, tmp_path / "copy")
    with KeyStore.open(path, kek) as store, KeyStore.open(other, kek) as there:
        store.put("first", bytearray(b"here"))
        there.put("first", bytearray(b"there"))
        assert store.generation == there.generation
        altered(other, "DELETE FROM log", "VACUUM")  # or SQLite goes by the pages that it has in memory
        mine = path.read_bytes()
        path.write_bytes(other.read_bytes())
        for use in (
            lambda: store.get("first"),
            lambda: store.put("second", bytearray(b"x")),
            store.check,
            lambda: list(store),
        ):
            with pytest.raises(StoreTamperedError):
                use()
        store.lock()
        with pytest.raises(StoreTamperedError):
            store.unlock(kek)
        path.write_bytes(mine)
        store.unlock(kek)
        with store.get("first") as found:
            assert found == b"here"
