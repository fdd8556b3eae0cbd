"""How the commands of `securemem store` find and open a store, and get passphrases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from securemem import KeyStore, Passphrase, doors
from securemem.crypto.argon2 import Cost
from securemem.exceptions import MissingFileError
from securemem.keystore.kek.key_file import KeyFile

if TYPE_CHECKING:
    import argparse

    from securemem.keystore.file_store import FileKeyStore
    from securemem.secure_bytes import SecureBytes

    Kek = Passphrase | KeyFile

__all__ = ["first_kek_of", "kek_of", "new_kek_of", "opened", "path_of"]


def path_of(arguments: argparse.Namespace) -> str:
    """Where the store is, or is to be."""
    if arguments.store is not None:
        return str(arguments.store)
    home = os.environ.get("XDG_DATA_HOME", "")
    place = Path(home) if home.startswith("/") else Path.home() / ".local" / "share"
    return str(place / "securemem" / "store")


def _secret(descriptor: int | None, credential: str | None, text: str, again: str | None) -> SecureBytes:
    if descriptor is not None:
        return doors.read_fd(descriptor, strip_newline=True)
    if credential is not None:
        return doors.read_credential(credential, strip_newline=True)
    return doors.prompt(text, confirm=again or False)


def kek_of(arguments: argparse.Namespace) -> Kek:
    """What opens the store: the key file that is named, or a passphrase."""
    if arguments.key_file is not None:
        return KeyFile(arguments.key_file)
    where = path_of(arguments)
    return Passphrase(
        _secret(arguments.passphrase_fd, arguments.passphrase_credential, f"Passphrase of {where}: ", None)
    )


def cost_of(arguments: argparse.Namespace) -> Cost:
    """Of a new passphrase."""
    return Cost(memory_kib=arguments.memory, passes=arguments.passes)


def new_kek_of(arguments: argparse.Namespace, what: str) -> Kek:
    """A new key-encryption key: the key file that is named, made where there is none, or a passphrase."""
    if arguments.new_key_file is not None:
        return key_file(arguments.new_key_file)
    secret = _secret(
        arguments.new_passphrase_fd, arguments.new_passphrase_credential, f"New passphrase of {what}: ", "Again: "
    )
    return Passphrase(secret, cost=cost_of(arguments))


def key_file(path: str) -> KeyFile:
    """The key file of that path, made where there is none."""
    return KeyFile(path) if os.path.lexists(path) else KeyFile.generate(path)


def opened(arguments: argparse.Namespace) -> FileKeyStore:
    """The store, open. MissingFileError before a passphrase is asked for."""
    path = path_of(arguments)
    if not os.path.lexists(path):
        raise MissingFileError(2, "there is no key store; make one by `securemem store init`", path)
    return KeyStore.open(path, kek_of(arguments))


def first_kek_of(arguments: argparse.Namespace) -> Kek:
    """What is to open a new store."""
    if arguments.key_file is not None:
        return key_file(arguments.key_file)
    where = path_of(arguments)
    secret = _secret(
        arguments.passphrase_fd, arguments.passphrase_credential, f"New passphrase of {where}: ", "Again: "
    )
    return Passphrase(secret, cost=cost_of(arguments))
