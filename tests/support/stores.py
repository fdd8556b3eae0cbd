"""Stores in files, small and quick to open: with a key file, or a passphrase of the least cost."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

from securemem import KeyStore, Passphrase, SecureBytes
from securemem.crypto.argon2 import Cost
from securemem.keystore.kek.key_file import KeyFile

if TYPE_CHECKING:
    from pathlib import Path

QUICK = Cost(64, 1)
CONTENT = {"first": b"password one", "second": b"password two", "third": b"password three"}


def passphrase(text: bytes = b"passphrase") -> Passphrase:
    """A passphrase, for one use."""
    return Passphrase(SecureBytes.take(bytearray(text)), cost=QUICK)


def filled(directory: Path, name: str = "store") -> tuple[Path, KeyFile]:
    """A store, closed, with three secrets, a key of two versions, and a key file."""
    path, kek = directory / name, KeyFile.generate(directory / f"{name}.key")
    with KeyStore.create(path, kek) as store:
        for one, secret in CONTENT.items():
            store.put(one, bytearray(secret))
        key = store.generate("key", "AES-256-GCM")
        (directory / f"{name}.box").write_bytes(key.encrypt(b"plaintext", b"context"))
        key.rotate()
    return path, kek


def content(path: Path, kek: KeyFile, box: bytes) -> dict[str, bytes]:
    """Everything that is in such a store, each record of which is checked."""
    with KeyStore.open(path, kek) as store:
        found = {}
        for name in store:
            if name != "key":
                with store.get(name) as secret, secret.reveal() as view:
                    found[name] = bytes(view)
        with store["key"].decrypt(box, b"context") as plain, plain.reveal() as view:
            found["key"] = bytes(view) + repr([one.state for one in store["key"].versions]).encode()
        store.check()
        return found


def copied(path: Path, to: Path) -> Path:
    """Another copy of a file, of mode 0600."""
    shutil.copyfile(path, to)
    to.chmod(0o600)
    return to


def altered(path: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    """Change a store's file by SQL, as somebody with write access and without the root key can."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        for statement in statements:
            connection.execute(statement, values if "?" in statement else ())
    connection.close()
