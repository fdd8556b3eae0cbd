"""`securemem store init, check, backup, rotate-root, export, import`: what is done with all of a store."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from securemem import KeyStore, Passphrase, doors
from securemem.cli._output import complain, printable, write
from securemem.cli._store_access import first_kek_of, new_kek_of, opened, path_of
from securemem.exceptions import InvalidArgumentError, StoreExistsError
from securemem.keystore.kek.key_file import KeyFile

if TYPE_CHECKING:
    import argparse

    from securemem.keystore.file_store import FileKeyStore
    from securemem.keystore.handle import KeyHandle


def init(arguments: argparse.Namespace) -> int:
    """Make a store, and its directory, where it is the usual one."""
    path = path_of(arguments)
    if os.path.lexists(path):
        raise StoreExistsError(17, "there is a file already: choose another path", path)
    if arguments.store is None:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with KeyStore.create(path, first_kek_of(arguments)):
        _say(arguments, {"store": path}, f"made {printable(path)}")
    return 0


def _say(arguments: argparse.Namespace, document: dict[str, object], text: str) -> None:
    if arguments.json:
        write(json.dumps({"schema": 1} | document))
    else:
        write(text)


def check(arguments: argparse.Namespace) -> int:
    """Look at every record; how many names there are, and the generation to note."""
    with opened(arguments) as store:
        store.check()
        count, generation = len(store), store.generation
        _say(
            arguments,
            {"names": count, "generation": generation},
            f"all records of {count} names are as they were written; generation {generation}",
        )
    return 0


def backup(arguments: argparse.Namespace) -> int:
    """Copy it."""
    with opened(arguments) as store:
        store.backup(arguments.target)
    return 0


def rotate_root(arguments: argparse.Namespace) -> int:
    """Seal all anew."""
    with opened(arguments) as store:
        store.rotate_root(new_kek_of(arguments, store.path))
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write the file, and say what stayed."""
    public = None
    if arguments.to_public_key is not None:
        try:
            public = bytes.fromhex(arguments.to_public_key)
        except ValueError:
            raise InvalidArgumentError("a public key is given as 64 hex digits, as `public-key` prints it") from None
    with opened(arguments) as store:
        to = new_kek_of(arguments, arguments.target) if public is None else public
        left = store.export_records(arguments.target, to, arguments.names)
    if arguments.json:
        write(json.dumps({"schema": 1, "left_out": left}))
    elif left:
        complain(f"securemem store: not extractable, and left out: {', '.join(left)}")
    return 0


def _opener(arguments: argparse.Namespace, store: FileKeyStore) -> Passphrase | KeyFile | KeyHandle:
    if arguments.by_key is not None:
        return store[arguments.by_key]
    if arguments.file_key_file is not None:
        return KeyFile(arguments.file_key_file)
    if arguments.file_passphrase_fd is not None:
        return Passphrase(doors.read_fd(arguments.file_passphrase_fd, strip_newline=True))
    return Passphrase(doors.prompt(f"Passphrase of {arguments.source}: "))


def import_(arguments: argparse.Namespace) -> int:
    """Take what is in the file; the names."""
    with opened(arguments) as store:
        names = store.import_records(arguments.source, _opener(arguments, store), replace=arguments.replace)
    _say(arguments, {"names": names}, "\n".join(names))
    return 0
