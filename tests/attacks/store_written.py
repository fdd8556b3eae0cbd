"""A program that does all that writes to files with a store, and searches what was written for anything in clear.

Run by test_file_store_memory.py with faults/store_writes.c preloaded.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from securemem import KeyStore, SecureBytes
from tests.faults import store_power
from tests.support import stores

PIECE = 8
CLEAR = {
    "name": b"bank of the example country",
    "new name": b"another name of the account",
    "label": b"household and the like",
    "URL": b"https://bank.example.org/login",
    "notes": b"the recovery code is 9157-2281",
    "value": b"correct horse battery staple",
    "former value": b"tr0ub4dor&3 was the former one",
    "key's name": b"the key of all backup copies",
    "passphrase": b"the passphrase of this store",
}
CONTROL = b"what is written in clear is found"


def _work(directory, _):
    path, kek = directory / "store", lambda: stores.passphrase(CLEAR["passphrase"])
    texts = {name: one.decode() for name, one in CLEAR.items()}
    roots = []
    with KeyStore.create(path, kek()) as store:
        roots.append(_root(store))
        store.put(texts["name"], bytearray(CLEAR["former value"]), keep=3)
        store.put(texts["name"], bytearray(CLEAR["value"]))
        notes = SecureBytes.take(bytearray(CLEAR["notes"]))
        store.set_details(texts["name"], labels=[texts["label"]], url=texts["URL"], notes=notes)
        key = store.generate(texts["key's name"], "AES-256-GCM")
        key.encrypt(b"x")
        key.rotate()
        store.rename(texts["name"], texts["new name"])
        store.backup(directory / "backup")
        store.export_records(directory / "export", kek())
        store.delete(texts["new name"])
        store.delete(texts["key's name"])
        store.import_records(directory / "export", kek())
        store.rotate_root(kek())
        roots.append(_root(store))
    file = os.open(directory / "control", os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(file, CONTROL)
    os.close(file)
    CLEAR.update({f"root key {number}": root for number, root in enumerate(roots)})


def _root(store):
    with store._contents.root.cell.value.reveal() as view:
        return bytes(view)


def _pieces(text):
    return {text[at : at + PIECE] for at in range(len(text) - PIECE + 1)}


def main(directory):
    """How many pieces of each were written."""
    done = store_power.recorded(directory, None, _work, directory / "log")
    writes = [(path, data) for what, _, path, data in done if what == "write"]
    everything = b"\0".join(data for _, data in writes)
    counts = {name: sum(everything.count(piece) for piece in _pieces(text)) for name, text in CLEAR.items()}
    counts["control"] = everything.count(CONTROL)
    counts["bytes written"] = len(everything)
    names = {Path(path).name for path, _ in writes}
    counts["files"] = sorted(names)
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
