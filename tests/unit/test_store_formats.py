"""A store's file that an earlier version wrote is opened, read whole, changed, and opened again.

tests/vectors/store_1.smks was made once, in format 1, and is not made anew; store_1.json says what is in it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path

import pytest

from securemem import KeyStore, Passphrase, SecureBytes
from securemem.exceptions import NewerFormatError, StoreTamperedError, WrongKeyEncryptionKeyError
from securemem.keystore import _entries
from securemem.keystore.kek.key_file import KeyFile
from tests.support import stores

VECTORS = Path(__file__).parents[1] / "vectors"
EXPECTED = json.loads((VECTORS / "store_1.json").read_text())
KEKS = ["passphrase", "key_file"]


@pytest.fixture
def old(tmp_path):
    """A copy of the file, of mode 0600."""
    tmp_path.chmod(0o700)
    assert hashlib.sha256((VECTORS / "store_1.smks").read_bytes()).hexdigest() == EXPECTED["sha256"]
    return stores.copied(VECTORS / "store_1.smks", tmp_path / "store")


def kek_of(directory, kind):
    """One of its two key-encryption keys."""
    if kind == "passphrase":
        return Passphrase(SecureBytes.take(bytearray(EXPECTED["passphrase"].encode())))
    path = directory / "key"
    path.write_bytes(bytes.fromhex(EXPECTED["key_file"]))
    path.chmod(0o600)
    return KeyFile(path)


def look_at(store):
    """All of it is what it was."""
    assert set(store) == {*EXPECTED["secrets"], *EXPECTED["keys"]}
    assert list(store.keks) == EXPECTED["keks"]
    for name, said in EXPECTED["secrets"].items():
        item = store.item(name)
        with store.get(name) as secret:
            assert secret == bytes.fromhex(said["value"])
        assert (list(item.labels), item.url, item.former) == (said["labels"], said["url"], said["former"])
        assert item.created == datetime.fromisoformat(said["created"])
        assert (item.expires and item.expires.isoformat()) == said["expires"]
    with store.notes("mail") as notes:
        assert notes == b"recovery code 1234"
    assert len(store.history("mail")) == 1
    assert [item.name for item in store.find("BÜRO")] == ["mail"]
    for name, said in EXPECTED["keys"].items():
        key = store[name]
        assert key.versions[0].key_id.hex() == said["id"]
        assert [str(one.state) for one in key.versions] == said["states"]
        if "counts" in said:
            assert [[one.messages, one.protected_bytes] for one in key.versions] == said["counts"]
        if "box" in said:
            assert key.decrypt(bytes.fromhex(said["box"]), b"context") == b"plaintext of " + name.encode()
        if "code" in said:
            key.verify_mac(b"message", bytes.fromhex(said["code"]))
        if "signature" in said:
            key.verify(b"message", bytes.fromhex(said["signature"]))
    store.check()


@pytest.mark.parametrize("kind", KEKS)
def test_the_committed_file_is_read_whole_and_left_as_it_is(old, kind):
    """By each of its key-encryption keys; the generation can be pinned."""
    data = old.read_bytes()
    with KeyStore.open(old, kek_of(old.parent, kind), at_least=EXPECTED["generation"]) as store:
        assert store.generation == EXPECTED["generation"]
        look_at(store)
    assert old.read_bytes() == data


def test_the_committed_file_can_be_changed(old):
    """What this version writes into it is there, beside what was, after a change of each kind and a new root key."""
    with KeyStore.open(old, kek_of(old.parent, "passphrase")) as store:
        store.put("new", bytearray(b"value"))
        store.delete("new")
        store.generate("other").rotate()
        store.delete("other")
        store.rename("mail", "post")
        store.rename("post", "mail")
        look_at(store)
        store.rotate_root(kek_of(old.parent, "key_file"))
        assert store.keks == ("first",)
    with KeyStore.open(old, kek_of(old.parent, "key_file")) as store:
        assert set(store) == {*EXPECTED["secrets"], *EXPECTED["keys"]}
        store.check()
    with pytest.raises(WrongKeyEncryptionKeyError):
        KeyStore.open(old, kek_of(old.parent, "passphrase"))


@pytest.mark.parametrize("version", [0, 2, 77, 2**31 - 1])
def test_other_formats_are_told_and_left_as_they_are(old, version):
    """A newer format: NewerFormatError, which says both numbers; one that never was: StoreTamperedError."""
    stores.altered(old, f"PRAGMA user_version={version}")
    data = old.read_bytes()
    newer = version > 1
    with pytest.raises(NewerFormatError if newer else StoreTamperedError, match=str(version) if newer else None):
        KeyStore.open(old, kek_of(old.parent, "key_file"))
    assert old.read_bytes() == data


def test_an_algorithm_of_a_later_version_is_refused_by_its_number(old, monkeypatch):
    """The store opens, other names are read; the key is NewerFormatError, which names it."""
    monkeypatch.setattr(_entries, "algorithm_numbered", lambda _number: None)
    with KeyStore.open(old, kek_of(old.parent, "key_file")) as store:
        with store.get("mail") as secret:
            assert secret == b"hunter2"
        with pytest.raises(NewerFormatError, match=r"'Ed25519' is for algorithm 32"):
            store["Ed25519"].sign(b"x")
        with pytest.raises(NewerFormatError):
            store.check()
