"""A store in a file that other processes change: what they do to key-encryption keys and the root key is noticed."""

from __future__ import annotations

import os

import pytest

from securemem import Arena, KeyStore
from securemem.exceptions import (
    KeyNotFoundError,
    NoKeyEncryptionKeyError,
    StoreBusyError,
    StoreLockedError,
    StoreTamperedError,
    WrongKeyEncryptionKeyError,
)
from securemem.keystore.kek.key_file import KeyFile
from tests.support import stores


@pytest.fixture
def place(tmp_path):
    """A filled store, its key file, and another one."""
    tmp_path.chmod(0o700)
    path, kek = stores.filled(tmp_path)
    return path, kek, KeyFile.generate(tmp_path / "other.key")


def elsewhere(work):
    """Do something in another process, which must succeed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_another_process_changes_the_key_encryption_key(place):
    """The open store goes on; once it is locked, only the new one unlocks, and the labels are the new ones."""
    path, kek, other = place

    def change():
        with KeyStore.open(path, kek) as there:
            there.add_kek(other, "other")
            there.remove_kek("first")

    with KeyStore.open(path, kek) as store:
        elsewhere(change)
        assert store.keks == ("other",)
        store.put("fourth", bytearray(b"value"))
        with pytest.raises(NoKeyEncryptionKeyError, match="only"):
            store.remove_kek("other")
        with pytest.raises(KeyNotFoundError):
            store.remove_kek("first")
        store.lock()
        with pytest.raises(WrongKeyEncryptionKeyError):
            store.unlock(kek)
        assert store.locked
        store.unlock(other)
        assert "fourth" in store
    with pytest.raises(WrongKeyEncryptionKeyError):
        KeyStore.open(path, kek)


def test_another_process_makes_a_new_root_key(place):
    """Reads, uses, changes and sessions of the open store are refused until it is unlocked by the new kek."""
    path, kek, other = place
    box = (path.parent / "store.box").read_bytes()

    def rotate():
        with KeyStore.open(path, kek) as there:
            there.rotate_root(other)

    with KeyStore.open(path, kek) as store:
        handle, session = store["key"], store["key"].session()
        elsewhere(rotate)
        for use in (
            lambda: store.get("first"),
            lambda: handle.decrypt(box, b"context"),
            lambda: store.put("first", bytearray(b"x")),
            lambda: session.encrypt(b"x"),
            lambda: store.check(),
        ):
            with pytest.raises(StoreLockedError):
                use()
        assert store.locked
        with pytest.raises(WrongKeyEncryptionKeyError):
            store.unlock(kek)
        store.unlock(other)
        assert handle.decrypt(box, b"context") == b"plaintext"
        store.check()


def test_at_least_pins_the_generation(place):
    """An older copy of the file that is refused by its generation, and a newer one is not."""
    path, kek, _ = place
    data = path.read_bytes()
    with KeyStore.open(path, kek) as store:
        first = store.generation
        store.put("first", bytearray(b"new"))
        assert store.generation == first + 1
        pinned = store.generation
    KeyStore.open(path, kek, at_least=pinned).close()
    path.write_bytes(data)
    KeyStore.open(path, kek, at_least=first).close()
    with pytest.raises(StoreTamperedError, match="older copy"):
        KeyStore.open(path, kek, at_least=pinned)
    with pytest.raises(TypeError):
        KeyStore.open(path, kek, at_least="1")


def test_a_forked_child_is_locked_whatever_the_parent_does(place):
    """Its store raises StoreLockedError for every use, handles and sessions too; the parent goes on."""
    path, kek, _ = place
    with KeyStore.open(path, kek) as store:
        handle, session = store["key"], store["key"].session()

        def child():
            for use in (
                lambda: store.get("first"),
                lambda: handle.encrypt(b"x"),
                lambda: session.encrypt(b"x"),
                lambda: store.put("first", bytearray(b"x")),
            ):
                with pytest.raises(StoreLockedError):
                    use()
            store.close()

        elsewhere(child)
        store.put("first", bytearray(b"parent"))
        handle.encrypt(b"x")
        store.check()


def test_a_child_that_inherits_the_keys_opens_the_file_anew(place):
    """In an arena that children inherit: the file stays the parent's, each use says so, and unlock() opens it."""
    path, kek, _ = place
    with KeyStore.open(path, kek, arena=Arena(fork="inherit")) as store:
        key = store["key"]
        key.encrypt(b"x")
        before = key.versions[1].messages

        def child():
            with pytest.raises(StoreBusyError, match="open it again"):
                store.get("first")
            store.unlock(kek)
            with store.get("first") as secret:
                assert secret == b"password one"
            for _ in range(5):
                key.encrypt(b"x")
            store.put("from the child", bytearray(b"value"))
            store.close()

        elsewhere(child)
        with store.get("from the child") as secret:
            assert secret == b"value"
        key.encrypt(b"x")
        store.check()
    with KeyStore.open(path, kek) as store:
        assert store["key"].versions[1].messages == before + 6
