"""A scanner from outside finds nothing of a store in a file in clear, whatever was done with it; nor do its files.

The process under attack tells a value, notes, a passphrase, the root key and a key straight from their slots, and a
control that it keeps in a bytearray.
"""

from __future__ import annotations

import json

import pytest

from tests.support import programs, shims
from tests.support.prey import prey  # noqa: F401 - a fixture

CODE = """
from securemem import DecryptionError, KeyStore, Passphrase
from securemem.crypto.argon2 import Cost

os.chmod(".", 0o700)
control = fill(bytearray(32))
value, notes, words = (SecureBytes.random(32) for _ in range(3))
def watch(secret): tell(secret); tell(control)
def passphrase(): return Passphrase(SecureBytes.copy_of(words), cost=Cost(64, 1))
def root(store): return store._contents.root.cell.value
def key_of(store):
    version = store._contents.entries["key"].primary
    return store._contents.gate.run(store._contents.opened, version)

for one in (value, notes, words): watch(one)
store = KeyStore.create("store", passphrase(), crypto_heap="off")  # kept ciphers would change the counts
watch(root(store))
handle = store.generate("key", "AES-256-GCM")
watch(key_of(store))
stand_still("created")
store.put("name", SecureBytes.copy_of(value), keep=2)
store.put("name", SecureBytes.copy_of(value))
store.set_details("name", labels=["label"], notes=SecureBytes.copy_of(notes))
stand_still("put")
got, noted = store.get("name"), store.notes("name")
stand_still("got")
got.wipe(); noted.wipe()
handle.decrypt(handle.encrypt(b"x")); list(store); list(store.items()); store.find("lab"); store.history("name")
stand_still("used, listed and found")
store.rename("name", "other"); handle.rotate(); store.add_kek(passphrase(), "second"); store.remove_kek("second")
stand_still("changed")
store.check(); store.backup("backup")
stand_still("checked and backed up")
store.export_records("export", passphrase())
stand_still("exported")
store.delete("other")
store.delete("key")
store.import_records("export", passphrase())
stand_still("imported")
store.lock()
stand_still("locked")
try: store.unlock(Passphrase(SecureBytes.random(32), cost=Cost(64, 1)))
except DecryptionError: pass
else: raise SystemExit(1)
stand_still("wrong passphrase")
store.unlock(passphrase())
stand_still("unlocked")
store.rotate_root(passphrase())
stand_still("new root key")
store.close()
stand_still("closed")
KeyStore.open("backup", passphrase()).close()
stand_still("backup opened")
"""
WATCHED = ("value", "notes", "passphrase", "root key", "key")
STAGES = [
    "created",
    "put",
    "got",
    "used, listed and found",
    "changed",
    "checked and backed up",
    "exported",
    "imported",
    "locked",
    "wrong passphrase",
    "unlocked",
    "new root key",
    "closed",
    "backup opened",
]


def test_nothing_is_in_clear_outside_locked_memory(prey, tmp_path):  # noqa: F811 - the fixture
    """After each of fourteen steps: no copy of the five secrets, and the control is seen each time."""
    attacked = prey(CODE)
    needles = {}
    for name in WATCHED:
        attacked.learn()
        needles[name] = attacked.key
    everything = tuple(dict.fromkeys(one for some in needles.values() for one in some))
    seen_locked = {}
    for number, stage in enumerate(STAGES):
        assert (attacked.next() if number else attacked.wait()) == stage
        attacked.key = everything
        found = attacked.scan()
        assert found.control[1] >= 1, stage
        if found.key[1]:
            single = {}
            for name, some in needles.items():
                attacked.key = some
                single[name] = attacked.scan().key
            pytest.fail(f"after {stage!r}: (locked, elsewhere) of each: {single}")
        seen_locked[stage] = found.key[0]
    for path in tmp_path.iterdir():
        attacked.key = everything
        assert attacked.search(path).key == (0, 0), path.name
    # The control of the scan of locked memory: what is read out is found there, and more of it than when it is wiped.
    assert seen_locked["got"] > seen_locked["used, listed and found"] > 0
    assert seen_locked["unlocked"] > seen_locked["locked"]


def test_no_byte_that_is_ever_written_is_in_clear(tmp_path):
    """Everything that is written to the file, its journal, a backup and an export: no piece of a name or a secret."""
    library = shims.built("faults/store_writes.c", tmp_path)
    (tmp_path / "place").mkdir(mode=0o700)
    said = programs.run_module(
        "tests.attacks.store_written", tmp_path / "place", environment={"LD_PRELOAD": str(library)}, timeout=120
    )
    found = json.loads(said.splitlines()[-1])
    assert found.pop("control") > 0
    assert found.pop("bytes written") > 100_000
    files = " ".join(found.pop("files"))
    assert all(one in files for one in ("store", "store-journal", "backup", ".securemem.")), (
        files
    )  # the last: an export
    assert len(found) >= 8
    assert set(found.values()) == {0}, found
