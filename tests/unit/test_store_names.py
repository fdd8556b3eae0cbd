"""What a store says of its names: times, labels, URL, expiry, notes, former values; searched, renamed, and sealed."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from securemem import KeyNotFoundError, KeyStore, SecureBytes, StoreLockedError
from securemem.exceptions import InvalidArgumentError, KeyExistsError, KeyPolicyError, SizeError, StoreTamperedError
from securemem.keystore import State
from securemem.keystore._root_key import is_of_index
from securemem.testing import needles_of, scan
from tests.support.stores import altered, passphrase


def secret(text):
    """A SecureBytes."""
    return SecureBytes.take(bytearray(text))


def shown(found):
    """The bytes of a secret, which is wiped."""
    with found, found.reveal() as view:
        return bytes(view)


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    """An empty store, unlocked: the API is one."""
    tmp_path.chmod(0o700)
    if request.param == "memory":
        yield KeyStore(passphrase())
    else:
        with KeyStore.create(tmp_path / "store", passphrase()) as made:
            yield made


def test_everything_that_is_said(store):
    """A new entry has its times; what is set is told, stays over rotate() and put(), and what is not given stays."""
    before = datetime.now(UTC).replace(microsecond=0)
    store.put("site", secret(b"value"))
    store.generate("key", "Ed25519")
    expires = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    for name in ("site", "key"):
        store.set_details(name, labels=["mail", "wörk", "mail"], url="https://example.org", expires=expires)
        store.set_details(name, notes=secret(b"a note"))
    store.put("site", secret(b"value two"))
    store["key"].rotate()
    for name, algorithm in (("site", ""), ("key", "Ed25519")):
        item = store.item(name)
        assert (item.name, item.algorithm, item.labels) == (name, algorithm, ("mail", "wörk"))
        assert (item.url, item.expires, item.has_notes, item.former) == ("https://example.org", expires, True, 0)
        assert before <= item.created <= item.changed <= datetime.now(UTC) + timedelta(seconds=1)
        assert shown(store.notes(name)) == b"a note"
    assert [one.name for one in store.items()] == list(store)
    store.set_details("site", labels=[], url="", expires=None, notes=None)
    item = store.item("site")
    assert (item.labels, item.url, item.expires, item.has_notes) == ((), "", None, False)
    with pytest.raises(KeyNotFoundError, match="no notes"):
        store.notes("site")


def test_former_values_are_kept_as_many_as_were_asked_for(store):
    """history() and get(former=…) go back as far as keep says; without it nothing is kept."""
    store.put("plain", secret(b"one"))
    store.put("plain", secret(b"two"))
    assert store.history("plain") == ()
    for number in range(5):
        store.put("kept", secret(b"value %d" % number), keep=3 if number == 0 else None)
    assert len(store.history("kept")) == 3
    assert [shown(store.get("kept", former=back)) for back in range(4)] == [
        b"value %d" % (4 - back) for back in range(4)
    ]
    with pytest.raises(KeyNotFoundError, match="3 former values"):
        store.get("kept", former=4)
    store.set_details("kept", keep=1)
    assert store.item("kept").former == 1
    assert shown(store.get("kept", former=1)) == b"value 3"
    store.put("kept", secret(b"last"), keep=0)
    assert store.history("kept") == ()
    records = len(store._contents.records)
    store.put("kept", secret(b"again"))
    assert len(store._contents.records) == records


def test_nothing_is_left_of_what_is_deleted(store):
    """Deleting a name takes its notes and former values with it."""
    store.put("other", secret(b"other"))
    records = len(store._contents.records)
    for number in range(4):
        store.put("name", secret(b"%d" % number), keep=2)
    store.set_details("name", notes=secret(b"notes"))
    assert len(store._contents.records) == records + 5
    store.delete("name")
    assert len(store._contents.records) == records


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["Größe", "api.key", "bank"]),
        ("bank", ["bank"]),
        ("ANK", ["bank"]),
        ("GRÖSSE", []),
        ("größ", ["Größe"]),
        ("GRÖß", ["Größe"]),
        (".", ["api.key", "bank"]),
        ("money", ["bank"]),
        ("Example.ORG", ["bank"]),
        ("a note", []),
        ("value", []),
        ("\0", []),
        ("nothing", []),
    ],
)
def test_find(store, text, found):
    """Names, labels and URLs are searched, in capitals or not; notes, values and lengths are not."""
    store.put("bank", secret(b"value"))
    store.set_details("bank", labels=["Money", "x"], url="https://example.org/", notes=secret(b"a note"))
    store.generate("api.key")
    store.put("Größe", secret(b"value"))
    assert [one.name for one in store.find(text)] == found


def test_find_takes_long_entries(store):
    """An entry larger than the usual room is searched too."""
    labels = [f"{number:02}" + "ü" * 40 for number in range(50)]
    store.put("long", secret(b"value"))
    store.set_details("long", labels=labels, url="u" * 2000)
    assert [one.name for one in store.find("49Ü")] == ["long"]
    assert store.item("long").labels == tuple(labels)


def test_rename(store):
    """Everything goes along: versions, states, details, notes, former values; the old name is free."""
    key = store.generate("key", "AES-256-GCM")
    box = key.encrypt(b"plaintext", b"context")
    key.rotate()
    key.rotate()
    key.destroy(2)
    store.set_details("key", labels=["label"], notes=secret(b"notes of a key"))
    for number in range(3):
        store.put("site", secret(b"%d" % number), keep=2)
    store.set_details("site", notes=secret(b"notes"))
    count = len(store._contents.records)
    store.rename("key", "other key")
    store.rename("site", "other site")
    assert len(store._contents.records) == count
    assert sorted(store) == ["other key", "other site"]
    assert key.name == "other key"
    assert key.decrypt(box, b"context") == b"plaintext"
    assert [one.state for one in store["other key"].versions] == [State.ACTIVE, State.DESTROYED, State.PRIMARY]
    assert shown(store.notes("other key")) == b"notes of a key"
    assert shown(store.get("other site", former=2)) == b"0"
    assert shown(store.notes("other site")) == b"notes"
    store.generate("key")
    store.lock()
    store.unlock(passphrase())
    assert store["other key"].decrypt(box, b"context") == b"plaintext"
    assert shown(store.get("other site")) == b"2"
    with pytest.raises(KeyExistsError, match="other site"):
        store.rename("key", "other site")
    with pytest.raises(KeyNotFoundError):
        store.rename("nobody", "somebody")


def test_a_file_has_it_all_again(tmp_path):
    """After close, open, check, rotate_root and backup everything is there, and every record is reached."""
    tmp_path.chmod(0o700)
    with KeyStore.create(tmp_path / "store", passphrase()) as store:
        for number in range(3):
            store.put("site", secret(b"%d" % number), keep=5)
        store.set_details("site", labels=["a"], notes=secret(b"notes"))
        store.generate("key")
        store.set_details("key", url="u", notes=secret(b"notes of a key"))
        store.rotate_root(passphrase())
        store.check()
        store.backup(tmp_path / "copy")
        item = store.item("site")
    with KeyStore.open(tmp_path / "copy", passphrase()) as store:
        store.check()
        assert store.item("site") == item
        assert shown(store.get("site", former=2)) == b"0"
        assert shown(store.notes("key")) == b"notes of a key"
        assert store.item("key").url == "u"
        assert [one.name for one in store.find("A")] == ["site"]


def test_another_process_s_changes_are_found(tmp_path):
    """find(), items() and item() go by the file as it is now; a renamed key has to be had anew elsewhere."""
    tmp_path.chmod(0o700)
    with (
        KeyStore.create(tmp_path / "store", passphrase()) as one,
        KeyStore.open(tmp_path / "store", passphrase()) as two,
    ):
        one.put("name", secret(b"1"))
        handle = one.generate("key")
        stale = two["key"]
        assert two.find("NAME")[0].labels == ()
        one.set_details("name", labels=["new"])
        one.rename("key", "renamed")
        assert [item.name for item in two.find("new")] == ["name"]
        assert [item.name for item in two.items()] == ["name", "renamed"]
        box = handle.encrypt(b"plaintext")
        assert two["renamed"].decrypt(box) == b"plaintext"
        with pytest.raises(KeyNotFoundError, match="deleted"):
            stale.decrypt(box)


def test_what_is_said_cannot_be_changed_in_the_file(tmp_path):
    """What a search reads, the index, is found changed by find(); an entry by whoever reads it, and by check()."""
    tmp_path.chmod(0o700)
    path, overwrite = tmp_path / "store", "UPDATE records SET sealed = x'00' || sealed WHERE id = ?"
    with KeyStore.create(path, passphrase()) as store:
        store.put("name", secret(b"1"))
        (index,) = filter(is_of_index, store._contents.book)
        entry = store._contents.entries["name"].record
        with KeyStore.open(path, passphrase()) as other:  # which has not read the entry yet
            altered(path, overwrite, values=(entry,))
            with pytest.raises(StoreTamperedError):
                other.find("name")
        with pytest.raises(StoreTamperedError):
            store.check()
        altered(path, overwrite, values=(index,))
        with pytest.raises(StoreTamperedError):
            store.find("name")
        with pytest.raises(StoreTamperedError):
            list(store)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({}, InvalidArgumentError),
        ({"labels": "mail"}, TypeError),
        ({"labels": [1]}, TypeError),
        ({"labels": [""]}, InvalidArgumentError),
        ({"labels": ["x" * 101]}, InvalidArgumentError),
        ({"labels": ["two\nlines"]}, InvalidArgumentError),
        ({"labels": [str(number) for number in range(51)]}, InvalidArgumentError),
        ({"url": "x" * 2001}, InvalidArgumentError),
        ({"url": b"x"}, TypeError),
        ({"expires": 12}, TypeError),
        ({"expires": datetime(2030, 1, 1)}, InvalidArgumentError),  # noqa: DTZ001 - that is what is wrong
        ({"notes": "text"}, TypeError),
        ({"notes": bytearray(b"text")}, TypeError),
        ({"keep": 21}, InvalidArgumentError),
        ({"keep": -1}, InvalidArgumentError),
        ({"keep": True}, TypeError),
    ],
)
def test_what_cannot_be_said(store, wrong, error):
    """A wrong argument is told before anything is changed."""
    store.put("name", secret(b"1"))
    item = store.item("name")
    with pytest.raises(error):
        store.set_details("name", **wrong)
    assert store.item("name") == item


def test_refusals(store):
    """Names that are not there, kinds that do not fit, notes that are too long, and a locked store."""
    store.generate("key")
    for call in (store.item, store.notes, store.history):
        with pytest.raises(KeyNotFoundError):
            call("nobody")
    with pytest.raises(KeyNotFoundError, match="versions"):
        store.history("key")
    with pytest.raises(KeyPolicyError, match="versions"):
        store.set_details("key", keep=1)
    with pytest.raises(SizeError):
        store.set_details("key", notes=SecureBytes.zeros(2**20 + 1))
    with pytest.raises(TypeError):
        store.find(b"key")
    with pytest.raises(InvalidArgumentError):
        store.rename("key", "")
    store.lock()
    for call in (
        store.items,
        lambda: store.find("key"),
        lambda: store.rename("key", "other"),
        lambda: store.item("key"),
    ):
        with pytest.raises(StoreLockedError):
            call()


def test_notes_and_former_values_leave_no_copy(tmp_path):
    """Seen from outside after put, notes, rename, find, history: no copy; one that is kept, the control, is seen."""
    tmp_path.chmod(0o700)
    program = """
import sys
from securemem import KeyStore, SecureBytes
from tests.support.stores import passphrase
from securemem import scrub
def turned(text): return SecureBytes.take(bytearray(one ^ 0x95 for one in text))
store = KeyStore.create(sys.argv[1], passphrase())
for text in (b"FORMER VALUE TO SEEK", b"SECOND VALUE TO SEEK", b"NEWEST VALUE TO SEEK"):
    store.put("name", turned(text), keep=5)
store.set_details("name", notes=turned(b"WORDS IN NOTES TO SEEK"))
store.rename("name", "other")
store.find("oth")
store.get("other", former=2).wipe()
store.notes("other").wipe()
kept = bytes(one ^ 0x95 for one in b"CONTROL THAT IS KEPT") if sys.argv[2] == "kept" else None
scrub()
print("ready", flush=True)
sys.stdin.read()
"""
    for control in ("none", "kept"):
        child = subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / control, control],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        try:
            assert child.stdout.readline() == b"ready\n"
            counts = [
                scan(child.pid, needles_of(bytes(one ^ 0x95 for one in text))).unlocked
                for text in (b"FORMER VALUE TO SEEK", b"NEWEST VALUE TO SEEK", b"WORDS IN NOTES TO SEEK")
            ]
            planted = scan(child.pid, needles_of(bytes(one ^ 0x95 for one in b"CONTROL THAT IS KEPT"))).unlocked
        finally:
            child.communicate()
        assert counts == [0, 0, 0]
        assert bool(planted) == (control == "kept")


def test_details_of_another_version_are_refused():
    """What a later version wrote is not read as something else."""
    from securemem.keystore._details import Details

    encoded = Details(created=1, labels=("a",), url="u", former=((1, b"r" * 16),)).encoded()
    assert Details.read(encoded).encoded() == encoded
    for broken in (b"\x02" + encoded[1:], encoded + b"x", encoded[:-1], encoded[:10]):
        with pytest.raises(ValueError, match="details"):
            Details.read(broken)
