"""The index of a store in a file: it has every name and no other, whatever was done, and a list opens it alone."""

from __future__ import annotations

import random

import pytest

from securemem import KeyStore, SecureBytes
from securemem.exceptions import StoreTamperedError
from securemem.keystore import _entries, _index
from securemem.keystore._root_key import is_of_index, is_of_name, new_record
from tests.support import stores


def put_many(store, names):
    """All in one change, as an import does it."""
    contents = store._contents

    def put():
        root, written = contents.root, {}
        for name in names:
            record, value = root.record_named(name), new_record()
            written[value] = root.seal_secret(record, value, SecureBytes.take(bytearray(name.encode())))
            written[record] = root.seal_entry(record, _entries.of_secret(name, value))
        contents.commit(written, [])

    contents.alone(put)


def index_of(store):
    """How many entries each record of the index has."""
    book, found = store._contents.book, []
    for number in range(_index.count(book.seen.known)):
        with _index.opened(book, number) as plain, plain.reveal() as view:
            found.append(len(list(_index.spans(view))))
    return found


def key_file(directory):
    """The store's key file."""
    return stores.KeyFile(directory / "store.key")


@pytest.fixture
def store(tmp_path):
    """A new store, open."""
    tmp_path.chmod(0o700)
    path, kek = stores.filled(tmp_path)
    with KeyStore.open(path, kek) as opened:
        yield opened


def test_the_index_has_every_name_and_no_other(store, tmp_path):
    """After one change of 1,500 names, changes of one, deletions, rotations and another opening; none is large."""
    names = {f"name {number} é" for number in range(1_500)}
    put_many(store, sorted(names))
    names |= {"key", *stores.CONTENT}
    chosen = random.Random(1).sample(sorted(names), 60)
    for name in chosen[:30]:
        store.delete(name)
        names.discard(name)
    for number in range(30):
        store.put(f"other {number}", bytearray(b"value"))
        names.add(f"other {number}")
    if "key" in names:
        store["key"].rotate()
    assert set(store) == names
    assert sum(index_of(store)) == len(names) == len(store)
    assert len(index_of(store)) > 1_500 / 128
    assert max(index_of(store)) < 400
    store.check()
    with KeyStore.open(store.path, key_file(tmp_path)) as other:
        assert set(other) == names
        assert not dict.keys(other._contents.entries)  # a list reads no entry
        other.put("from there", bytearray(b"value"))
        assert "from there" in set(store)
        other.check()
    store.rotate_root(key_file(tmp_path))
    assert set(store) == {*names, "from there"}
    store.check()
    store.clear()
    assert not list(store)
    store.check()


def test_a_change_of_one_name_writes_one_record_of_the_index_or_three(store, monkeypatch):
    """However many names there are; a new value of a known name writes none."""
    put_many(store, [f"name {number}" for number in range(2_000)])
    seen, whole = [], _index.changes
    monkeypatch.setattr(_index, "changes", lambda *args: seen.append(whole(*args)) or seen[-1])
    for number in range(40):
        store.put(f"new {number}", bytearray(b"value"))
    assert {len(one) for one in seen} <= {1, 2, 3}
    seen.clear()
    store.put("name 1", bytearray(b"another value"))
    assert seen == [{}]


def test_check_finds_an_index_that_lacks_a_name(store, monkeypatch):
    """Only a holder of the root key could make one; each of too few, too many and others is found."""
    store.check()  # the control
    monkeypatch.setattr(_index, "changes", lambda *_: {})
    store.put("lost", bytearray(b"value"))
    with pytest.raises(StoreTamperedError, match="index"):
        store.check()
    store.delete("lost")
    store.check()
    store.delete("first")
    with pytest.raises(StoreTamperedError, match="index"):
        store.check()


def test_records_of_the_index_are_told_from_all_others(store):
    """Those of names, values, key-encryption keys and the store itself are none, and it has at least one."""
    known = store._contents.book.seen.known
    assert sum(map(is_of_index, known)) == 1
    assert not [one for one in known if is_of_index(one) and is_of_name(one)]
    assert sum(map(is_of_name, known)) == len(store)
