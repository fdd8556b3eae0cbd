"""A key store in a file: what was put in is there when it is opened again, by this process and by others."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from securemem import DecryptionError, KeyNotFoundError, KeyStore, Policy, StoreLockedError
from securemem.exceptions import (
    ExposedFileError,
    ForeignFileError,
    KeyExistsError,
    KeyPolicyError,
    MissingFileError,
    NewerFormatError,
    NoKeyEncryptionKeyError,
    StoreExistsError,
    StoreTamperedError,
    WrongKeyEncryptionKeyError,
)
from securemem.keystore import State
from securemem.keystore.kek.key_file import KeyFile
from tests.support import stores
from tests.support.stores import passphrase


@pytest.fixture
def place(tmp_path):
    """A path for a store, in a directory of its own."""
    tmp_path.chmod(0o700)
    return tmp_path / "store"


def secret_of(store, name):
    """The bytes of an opaque secret."""
    with store.get(name) as secret, secret.reveal() as view:
        return bytes(view)


def test_everything_is_there_again(place):
    """Keys of every algorithm, with versions, states, rules and public keys, and opaque secrets."""
    policy = Policy(
        usages=frozenset({"encrypt", "decrypt"}),
        extractable=True,
        not_before=datetime(2020, 1, 2, 3, 4, 5, 678901, UTC),
        not_after=datetime(2120, 1, 1, tzinfo=UTC),
        max_messages=1000,
        max_bytes=10**6,
    )
    algorithms = [
        "KC-XAES-256-GCM",
        "AES-128-GCM",
        "ChaCha20-Poly1305",
        "HMAC-SHA-384",
        "Ed25519",
        "X25519",
        "HKDF-SHA-256",
    ]
    with KeyStore.create(place, passphrase()) as store:
        key = store.generate("ruled", policy=policy)
        box = key.encrypt(b"plaintext", b"context")
        for algorithm in algorithms:
            store.generate(algorithm, algorithm).rotate()
        store["AES-128-GCM"].disable(1)
        store["ChaCha20-Poly1305"].destroy(1)
        signature, code = store["Ed25519"].sign(b"data"), store["HMAC-SHA-384"].mac(b"data")
        store.put("password", bytearray(b"opaque"))
        shown = {name: store[name].versions for name in ["ruled", *algorithms]}
        names, generation = list(store), store.generation
    with KeyStore.open(place, passphrase()) as store:
        assert list(store) == names == sorted(["ruled", "password", *algorithms])
        assert len(store) == len(names)
        assert store.generation == generation
        assert store["ruled"].policy == policy
        assert store["ruled"].decrypt(box, b"context") == b"plaintext"
        for name, versions in shown.items():
            assert store[name].versions == versions
            assert store[name].algorithm == (name if name != "ruled" else "KC-XAES-256-GCM")
        store["Ed25519"].verify(b"data", signature)
        store["HMAC-SHA-384"].verify_mac(b"data", code)
        assert secret_of(store, "password") == b"opaque"
        assert store["ChaCha20-Poly1305"].versions[0].state is State.DESTROYED
        store.check()


def test_the_file_is_private_and_has_nothing_in_clear(place):
    """Mode 0600, no file beside it, and no name, password or key in it; the sealed record, the control, is in it."""
    with KeyStore.create(place, passphrase()) as store:
        store.put("a name to look for", bytearray(b"a password to look for"))
        key = b"k" * 32
        store.import_key("another name", "AES-256-GCM", bytearray(key))
        store.delete("a name to look for")
        store.put("a name to look for", bytearray(b"a password to look for"))
        sealed = [store._contents.book.read(one) for one in store._contents.book]
    assert [one.name for one in place.parent.iterdir()] == ["store"]
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    data = place.read_bytes()
    assert all(one in data for one in sealed)
    for needle in (b"a name", b"another", b"a password", key):
        assert needle not in data


def test_locking_and_unlocking(place):
    """A locked store has no key; unlock() wants the right passphrase, and works after close() too."""
    store = KeyStore.create(place, passphrase())
    key = store.generate("key")
    box = key.encrypt(b"plaintext")
    for end in (store.lock, store.close):
        end()
        assert store.locked
        with pytest.raises(StoreLockedError):
            key.decrypt(box)
        with pytest.raises(WrongKeyEncryptionKeyError, match="passphrase is wrong"):
            store.unlock(passphrase(b"wrong"))
        assert store.locked
        store.unlock(passphrase())
        assert key.decrypt(box) == b"plaintext"
    store.close()


def test_several_key_encryption_keys(place):
    """Each opens the store by itself; the last one stays; one that was removed opens it no more."""
    kek = KeyFile.generate(place.parent / "kek")
    with KeyStore.create(place, passphrase()) as store:
        store.put("name", bytearray(b"value"))
        store.add_kek(passphrase(b"other"), "other")
        store.add_kek(kek, "file")
        assert store.keks == ("first", "other", "file")
        with pytest.raises(KeyExistsError):
            store.add_kek(passphrase(b"third"), "other")
        for each in (passphrase(), passphrase(b"other"), kek):
            with KeyStore.open(place, each) as same:
                assert secret_of(same, "name") == b"value"
        store.remove_kek("other")
        with pytest.raises(WrongKeyEncryptionKeyError):
            KeyStore.open(place, passphrase(b"other"))
        store.remove_kek("first")
        with pytest.raises(KeyNotFoundError):
            store.remove_kek("first")
        with pytest.raises(NoKeyEncryptionKeyError):
            store.remove_kek("file")
        store.change_kek(passphrase(b"new"))
        assert store.keks == ("first",)
        with pytest.raises(WrongKeyEncryptionKeyError):
            KeyStore.open(place, kek)
    KeyStore.open(place, passphrase(b"new")).close()


def test_one_derivation_tries_all_passphrases(place, monkeypatch):
    """Argon2id runs once for each unlocking, however many passphrases there are, right or wrong."""
    from securemem.keystore.kek import passphrase as module

    runs, derive = [], module.argon2id

    def counted(*args, **names):
        runs.append(1)
        return derive(*args, **names)

    with KeyStore.create(place, passphrase()) as store:
        for number in range(5):
            store.add_kek(passphrase(b"%d" % number), str(number))
    monkeypatch.setattr(module, "argon2id", counted)
    KeyStore.open(place, passphrase(b"4")).close()
    assert len(runs) == 1
    with pytest.raises(DecryptionError):
        KeyStore.open(place, passphrase(b"wrong"))
    assert len(runs) == 2


def test_rotating_the_root_key_seals_all_anew(place):
    """Same content, other records; only the new key-encryption key opens; an old copy's root key opens nothing."""
    path, kek = stores.filled(place.parent)
    box = (place.parent / "store.box").read_bytes()
    before = stores.content(path, kek, box)
    with KeyStore.open(path, kek) as store, KeyStore.open(path, kek) as other:
        records = {one: store._contents.book.read(one) for one in store._contents.book}
        handle = other["key"]
        store.rotate_root(passphrase(b"new"))
        for one in store._contents.book:  # what is for the whole store has a fixed name, all else a new one
            assert (one in records) == (not any(one[:13]))
            assert records.get(one) != store._contents.book.read(one)
        store.check()
        with pytest.raises(StoreLockedError, match="new root key"):
            handle.decrypt(box, b"context")
        other.unlock(passphrase(b"new"))
        assert handle.decrypt(box, b"context") == b"plaintext"
        with pytest.raises(WrongKeyEncryptionKeyError):
            KeyStore.open(path, kek)
        store.change_kek(kek)
    assert stores.content(path, kek, box) == before


def test_other_handles_see_every_change(place):
    """Rotation, states, deletion, replacement and new secrets, each by one of two stores of the same file."""
    with KeyStore.create(place, passphrase()) as one, KeyStore.open(place, passphrase()) as two:
        mine = one.generate("key")
        theirs = two["key"]
        boxes = [mine.encrypt(b"1")]
        theirs.rotate()
        boxes.append(mine.encrypt(b"2"))
        assert [one.key_id for one in mine.versions] == [one.key_id for one in theirs.versions]
        assert mine.needs_rewrap(boxes[0])
        assert not mine.needs_rewrap(boxes[1])
        assert theirs.decrypt(boxes[1]) == b"2"
        theirs.disable(1)
        with pytest.raises(KeyPolicyError, match="disabled"):
            mine.decrypt(boxes[0])
        mine.destroy(1)
        assert theirs.versions[0].state is State.DESTROYED
        with pytest.raises(KeyPolicyError, match="destroyed"):
            theirs.decrypt(boxes[0])
        one.put("name", bytearray(b"1"))
        assert secret_of(two, "name") == b"1"
        two.put("name", bytearray(b"2"))
        assert secret_of(one, "name") == b"2"
        assert "name" in one
        two.delete("name")
        assert "name" not in one
        with pytest.raises(KeyNotFoundError):
            one.get("name")
        with one["key"].session() as session:
            two.delete("key")
            with pytest.raises((KeyNotFoundError, KeyPolicyError)):
                session.encrypt(b"x")
        with pytest.raises(KeyNotFoundError):
            mine.encrypt(b"x")
        again = two.generate("key")
        with pytest.raises(DecryptionError):
            one["key"].decrypt(boxes[1])
        assert one["key"].decrypt(again.encrypt(b"3")) == b"3"


def test_messages_are_counted_across_processes_and_crashes(place):
    """Reserved messages that were not used are given back by close(), lost by a crash, and never used twice."""
    policy = Policy(max_messages=10)
    with KeyStore.create(place, passphrase()) as store:
        key = store.generate("key", policy=policy)
        for _ in range(3):
            key.encrypt(b"x")
    with KeyStore.open(place, passphrase()) as store, KeyStore.open(place, passphrase()) as other:
        assert store["key"].versions[0].messages == 3
        for turn in range(7):
            (store, other)[turn % 2]["key"].encrypt(b"x")
        for each in (store, other):
            with pytest.raises(KeyPolicyError, match="max_messages"):
                each["key"].encrypt(b"x")


def test_errors_of_opening_are_their_own_and_leave_the_file(place):
    """Missing, foreign, empty, text, newer, exposed, a link, and a directory that others may change."""
    directory = place.parent
    with pytest.raises(MissingFileError):
        KeyStore.open(place, passphrase())
    KeyStore.create(place, passphrase()).close()
    with pytest.raises(StoreExistsError):
        KeyStore.create(place, passphrase())
    files = {"empty": b"", "text": b"not a store\n" * 100}
    with sqlite3.connect(directory / "other") as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    files["other"] = (directory / "other").read_bytes()
    for name, data in files.items():
        (directory / name).write_bytes(data)
        (directory / name).chmod(0o600)
        with pytest.raises(ForeignFileError):
            KeyStore.open(directory / name, passphrase())
        assert (directory / name).read_bytes() == data
    newer = stores.copied(place, directory / "newer")
    stores.altered(newer, "PRAGMA user_version=2")
    data = newer.read_bytes()
    with pytest.raises(NewerFormatError, match="format 2"):
        KeyStore.open(newer, passphrase())
    assert newer.read_bytes() == data
    data = place.read_bytes()
    with pytest.raises(WrongKeyEncryptionKeyError):
        KeyStore.open(place, passphrase(b"wrong"))
    assert place.read_bytes() == data
    (directory / "link").symlink_to(place)
    with pytest.raises(ExposedFileError, match="link"):
        KeyStore.open(directory / "link", passphrase())
    place.chmod(0o640)
    with pytest.raises(ExposedFileError, match="0640"):
        KeyStore.open(place, passphrase())
    place.chmod(0o600)
    directory.chmod(0o770)
    for use in (KeyStore.open, KeyStore.create):
        with pytest.raises(ExposedFileError, match="directory"):
            use(directory / "store" if use is KeyStore.open else directory / "new", passphrase())
    directory.chmod(0o700)
    KeyStore.open(place, passphrase()).close()


def test_an_older_copy_is_told_by_its_generation(place):
    """In one process the generation never falls; between runs at_least pins it; without it the copy opens."""
    with KeyStore.create(place, passphrase()) as store:
        store.put("name", bytearray(b"1"))
        older = stores.copied(place, place.parent / "older")
        store.put("name", bytearray(b"2"))
        pinned = store.generation
        data, newer = older.read_bytes(), place.read_bytes()
        place.write_bytes(data)  # in place: the same file for whoever has it open
        for use in (lambda: store.get("name"), lambda: store.put("name", bytearray(b"3")), lambda: list(store)):
            with pytest.raises(StoreTamperedError):
                use()
        place.write_bytes(newer)
        assert secret_of(store, "name") == b"2"
    KeyStore.open(place, passphrase(), at_least=pinned).close()
    with pytest.raises(StoreTamperedError, match="older copy"):
        KeyStore.open(older, passphrase(), at_least=pinned)
    with KeyStore.open(older, passphrase()) as store:
        assert secret_of(store, "name") == b"1"


def test_a_file_that_was_replaced_takes_no_more_writes(place):
    """Another file under the name: what was written to the old one would be lost."""
    with KeyStore.create(place, passphrase()) as store:
        stores.copied(place, place.parent / "copy").replace(place)
        with pytest.raises(StoreTamperedError, match="put in its place"):
            store.put("name", bytearray(b"1"))


def test_backups_open_and_do_not_share_nonces(place):
    """A backup has the same content; in it keys with random 96-bit nonces are rotated, others are not."""
    target = place.parent / "backup"
    with KeyStore.create(place, passphrase()) as store:
        boxes = {name: store.generate(name, name).encrypt(b"x") for name in ("AES-256-GCM", "KC-XAES-256-GCM")}
        store.put("name", bytearray(b"value"))
        store.backup(target)
        with pytest.raises(StoreExistsError):
            store.backup(target)
        assert len(store["AES-256-GCM"].versions) == 1
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    for _ in range(2):
        with KeyStore.open(target, passphrase()) as copy:
            assert len(copy["AES-256-GCM"].versions) == 2
            assert len(copy["KC-XAES-256-GCM"].versions) == 1
            for name, box in boxes.items():
                assert copy[name].decrypt(box) == b"x"
            assert secret_of(copy, "name") == b"value"
            copy.check()


def test_clear_leaves_an_empty_store(place):
    """Every key and secret is gone, from the file too; a locked store cannot be cleared."""
    path, kek = stores.filled(place.parent)
    with KeyStore.open(path, kek) as store:
        store.lock()
        with pytest.raises(StoreLockedError):
            store.clear()
        store.unlock(kek)
        store.clear()
        assert len(store) == 0
        assert list(store) == []
    with KeyStore.open(path, kek) as store:
        assert "key" not in store
        store.check()


def test_a_forked_child_is_locked_and_leaves_the_parents_file_alone(place):
    """The child raises StoreLockedError, can unlock and write; the parent sees it, and its own locks held meanwhile."""
    with KeyStore.create(place, passphrase()) as store:
        store.put("name", bytearray(b"parent"))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                try:
                    store.get("name")
                except StoreLockedError:
                    store.unlock(passphrase())
                    store.put("name", bytearray(b"child"))
                    status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert secret_of(store, "name") == b"child"
        store.put("name", bytearray(b"parent again"))
    with KeyStore.open(place, passphrase()) as store:
        assert secret_of(store, "name") == b"parent again"


def test_threads_read_at_once(place):
    """Each gets what it asks for; a statement that two threads share gives one the rows of the other."""
    kek, names = KeyFile.generate(place.with_name("key")), [f"name {number}" for number in range(8)]
    pause = sys.getswitchinterval()
    with KeyStore.create(place, kek) as store, ThreadPoolExecutor(8) as pool:
        for name in names:
            store.put(name, bytearray(name.encode()))
        sys.setswitchinterval(1e-5)
        try:
            found = [*pool.map(lambda name: {secret_of(store, name) for _ in range(2000)}, names)]
        finally:
            sys.setswitchinterval(pause)
    assert found == [{name.encode()} for name in names]
