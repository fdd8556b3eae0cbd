"""`securemem store …`: a key store in a file, from the shell. What its commands take; what they do is beside this.

No secret is ever an argument: they come from the terminal, from pipes, descriptors and credentials, and go to pipes.
"""

from __future__ import annotations

import argparse
import errno
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from securemem.cli._output import complain

if TYPE_CHECKING:
    from collections.abc import Callable

_STATUSES = (
    "Exit status: 0 if it was done; 1 for a no (nothing found, a signature that does not fit); 2 for a wrong usage, "
    "and what else failed; 3 if the passphrase or key file is wrong; 4 if there is no such name, key-encryption key or "
    "store; 5 if a file is damaged or was changed. `run` gives the status of its command, or 125 where it could not "
    "start one."
)
_ALGORITHMS = (
    *("KC-XAES-256-GCM", "XAES-256-GCM", "AES-256-GCM", "AES-128-GCM", "AES-256-GCM-SIV", "ChaCha20-Poly1305"),
    *("HMAC-SHA-256", "HMAC-SHA-384", "HMAC-SHA-512", "Ed25519", "X25519", "HKDF-SHA-256"),
)
_CANNOT, _WRONG_KEY, _NOT_THERE, _DAMAGED, _CANNOT_START = 2, 3, 4, 5, 125


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `store` to the command."""
    parser = subparsers.add_parser(
        "store",
        help="keep keys and passwords in a file, sealed",
        description="Keeps keys and passwords in one file, sealed under a passphrase or a key file, and uses them. The "
        "place is $XDG_DATA_HOME/securemem/store, or ~/.local/share/securemem/store, unless --store names another. "
        + _STATUSES,
        epilog="Example: securemem store init; securemem store put mail --generate 24; securemem store get mail | xsel",
        allow_abbrev=False,
    )
    parser.set_defaults(run=lambda _: parser.error("name a command"), wrong_usage=parser.error)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_whole, _add_names, _add_values, _add_data, _add_exchange):
        add(commands)


def _access() -> argparse.ArgumentParser:
    """The options by which a store is found and opened."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("the store")
    group.add_argument("--store", metavar="PATH", help="the file of the store")
    keys = group.add_mutually_exclusive_group()
    keys.add_argument("--passphrase-fd", metavar="FD", type=int, help="read the passphrase from this descriptor")
    keys.add_argument("--passphrase-credential", metavar="NAME", help="take it from a credential of systemd")
    keys.add_argument("--key-file", metavar="PATH", help="open the store by a key file instead")
    group.add_argument("--json", action="store_true", help="print JSON, where there is something to print")
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    where: str,
    help_: str,
    more: str = "",
    example: str = "",
) -> argparse.ArgumentParser:
    text = help_[0].upper() + help_[1:] + "." + (f" {more}" if more else "")
    epilog = f"Example: securemem store {example or name}"
    parser = commands.add_parser(
        name, help=help_, description=text, epilog=epilog, parents=[_access()], allow_abbrev=False
    )
    function = name.replace("-", "_") + ("_" if name in {"list", "import"} else "")
    parser.set_defaults(run=_Run(where, function), wrong_usage=parser.error)
    return parser


class _Run:
    """Imports what does a command when it is run: keys and ciphers take time that --help need not wait for."""

    def __init__(self, where: str, function: str) -> None:
        self.where, self.function = where, function

    def __call__(self, arguments: argparse.Namespace) -> int:
        """Do it; the exit status."""
        from securemem import crypto_heap, process  # noqa: PLC0415 - see above
        from securemem.exceptions import SecureMemError, TransferError  # noqa: PLC0415 - see above

        with suppress(SecureMemError, ImportError, OSError):
            process.harden()
            crypto_heap.enable()
        work: Callable[[argparse.Namespace], int] = getattr(
            import_module(f"securemem.cli._store_{self.where}"), self.function
        )
        try:
            return work(arguments)
        except BrokenPipeError:
            raise
        except TransferError as error:
            if error.errno == errno.EPIPE:
                raise BrokenPipeError from None  # as for all output
            return _failed(error, self.function)
        except (SecureMemError, OSError, ValueError) as error:
            return _failed(error, self.function)


def _failed(error: BaseException, function: str) -> int:
    complain(f"securemem store: {error}")
    return _CANNOT_START if function == "run" else _status_of(error)


def _status_of(error: BaseException) -> int:
    from securemem import exceptions  # noqa: PLC0415 - loaded by now

    if isinstance(error, exceptions.WrongKeyEncryptionKeyError):
        return _WRONG_KEY
    if isinstance(error, exceptions.KeyNotFoundError | FileNotFoundError):
        return _NOT_THERE
    damaged = (exceptions.StoreTamperedError, exceptions.ForeignFileError, exceptions.DecryptionError)
    return _DAMAGED if isinstance(error, damaged) else _CANNOT


def _add_cost(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--memory", metavar="KIB", type=int, default=65536, help="memory of Argon2id, 65536 KiB")
    parser.add_argument("--passes", metavar="N", type=int, default=3, help="passes of Argon2id, 3")


def _add_new_key(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the new key-encryption key").add_mutually_exclusive_group()
    group.add_argument("--new-passphrase-fd", metavar="FD", type=int, help="read it from this descriptor")
    group.add_argument("--new-passphrase-credential", metavar="NAME", help="take it from a credential of systemd")
    group.add_argument("--new-key-file", metavar="PATH", help="make a key file there, or use the one that is there")
    _add_cost(parser)


def _add_whole(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    init = _add(
        commands,
        "init",
        "file",
        "make a new store",
        "The passphrase is asked for twice. With --key-file, the file is made where there is none.",
        "init --store ~/secrets/store",
    )
    _add_cost(init)
    kek = commands.add_parser("kek", help="say who opens the store", description="Key-encryption keys: what opens it.")
    ways = kek.add_subparsers(title="commands", metavar="COMMAND", required=True)
    kek.set_defaults(wrong_usage=kek.error)
    _add(ways, "list", "kek", "print the labels of all", example="kek list")
    _add(ways, "check", "kek", "open the store, and print that it opens", example="kek check --key-file key")
    add = _add(ways, "add", "kek", "let one more open it", example="kek add spare --new-key-file /media/stick/key")
    remove = _add(ways, "remove", "kek", "let one open it no more", example="kek remove spare")
    for parser in (add, remove):
        parser.add_argument("label", metavar="LABEL", help="its label, which is no secret")
    _add_new_key(add)
    rotate = _add(
        commands, "rotate-root", "file", "seal all anew, for one key-encryption key", "Others have to be added again."
    )
    _add_new_key(rotate)
    _add(commands, "check", "file", "read and open every record")
    backup = _add(commands, "backup", "file", "copy the store, sealed", example="backup /media/stick/store")
    backup.add_argument("target", metavar="FILE", help="a file that is not there yet")


def _add_exchange(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    export = _add(
        commands,
        "export",
        "file",
        "write keys and secrets into one sealed file",
        "It is sealed to a new passphrase, which is asked for, unless another key is named.",
        "export moving.smx --only mail --only bank",
    )
    export.add_argument("target", metavar="FILE", help="a file that is not there yet")
    export.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        dest="names",
        help="which; may be repeated; all that may leave if not",
    )
    export.add_argument("--to-public-key", metavar="HEX", help="the public key of an X25519 key in another store")
    _add_new_key(export)
    take = _add(
        commands,
        "import",
        "file",
        "take all that is in such a file, or nothing",
        example="import moving.smx",
    )
    take.add_argument("source", metavar="FILE", help="what export wrote")
    take.add_argument("--replace", action="store_true", help="let what comes take the place of what has its name")
    ways = take.add_mutually_exclusive_group()
    ways.add_argument("--by-key", metavar="NAME", help="the X25519 key of this store that it was exported to")
    ways.add_argument("--file-passphrase-fd", metavar="FD", type=int, help="read the file's passphrase from there")
    ways.add_argument("--file-key-file", metavar="PATH", help="the key file that it was exported to")


def _add_names(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    shown = _add(commands, "list", "names", "print all names")
    found = _add(commands, "find", "names", "print names with a text in them, in a label or URL", example="find mail")
    found.add_argument("text", metavar="TEXT", help="in capitals or not")
    for parser in (shown, found):
        parser.add_argument("--long", action="store_true", help="with kind, labels, URL and times")
    history = _add(commands, "history", "names", "print since when each former value was kept", example="history mail")
    history.add_argument("name", metavar="NAME")
    rename = _add(commands, "rename", "names", "give it another name", example="rename mail e-mail")
    rename.add_argument("name", metavar="NAME")
    rename.add_argument("new", metavar="NEW")
    delete = _add(commands, "delete", "names", "delete a key or secret, for good", example="delete mail")
    delete.add_argument("name", metavar="NAME")
    edit = _add(commands, "edit", "names", "change what is said of it", example="edit mail --label work --url ''")
    edit.add_argument("name", metavar="NAME")
    _add_details(edit)
    edit.add_argument("--no-labels", action="store_true", help="take all labels away")
    edit.add_argument("--no-notes", action="store_true", help="take the notes away")
    edit.add_argument("--notes-fd", metavar="FD", type=int, help="read the notes from this descriptor")


def _add_details(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--label", metavar="LABEL", action="append", dest="labels", help="a label; may be repeated")
    parser.add_argument("--url", metavar="URL", help="where it is for")
    parser.add_argument("--expires", metavar="DATE", help="such as 2030-12-31, or 'never'; nothing is done then")
    parser.add_argument("--keep", metavar="N", type=int, help="how many former values of a secret stay, 0 to 20")


def _add_values(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    put = _add(
        commands,
        "put",
        "values",
        "keep a secret",
        "It is read from the terminal, without echo, or from a pipe, and replaces one of that name. One line end at "
        "the end of a pipe is left out. Five former values stay unless --keep says otherwise.",
        "put mail --generate 24 --label work",
    )
    put.add_argument("name", metavar="NAME")
    ways = put.add_mutually_exclusive_group()
    ways.add_argument("--generate", metavar="LENGTH", type=int, help="make a random password of so many characters")
    ways.add_argument("--fd", metavar="FD", type=int, help="read it from this descriptor")
    put.add_argument("--raw", action="store_true", help="keep a line end at the end too")
    _add_details(put)
    get = _add(
        commands,
        "get",
        "values",
        "write a secret to a pipe or file",
        "To a terminal it goes only with --show.",
        "get mail | xsel",
    )
    get.add_argument("name", metavar="NAME")
    get.add_argument("--show", action="store_true", help="write it to a terminal too, with a line end")
    what = get.add_mutually_exclusive_group()
    what.add_argument("--former", metavar="N", type=int, default=0, help="the value N before this one")
    what.add_argument("--notes", action="store_true", help="the notes instead")
    make = _add(commands, "generate", "values", "make a random key", example="generate backups")
    make.add_argument("name", metavar="NAME")
    make.add_argument("--algorithm", choices=_ALGORITHMS, default=_ALGORITHMS[0], metavar="ALGORITHM", help="its name")
    make.add_argument("--extractable", action="store_true", help="let it leave the store by export")
    rotate = _add(commands, "rotate", "values", "make a new version of a key", example="rotate backups")
    rotate.add_argument("name", metavar="NAME")
    public = _add(commands, "public-key", "values", "print the public key, in hex", example="public-key signing")
    public.add_argument("name", metavar="NAME")


def _add_data(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, text in (("encrypt", "encrypt a file or stream"), ("decrypt", "decrypt what encrypt wrote")):
        parser = _add(
            commands,
            name,
            "data",
            text,
            "A file appears, or is replaced, when it is whole. A pipe gets data as it is ready: what came before an "
            "error is not whole.",
            f"{name} backups {'plan.txt plan.smb' if name == 'encrypt' else 'plan.smb plan.txt'}",
        )
        parser.add_argument("name", metavar="NAME", help="of the key")
        parser.add_argument("source", metavar="SOURCE", help="a file; -: standard input")
        parser.add_argument("target", metavar="TARGET", help="a file; -: standard output")
        parser.add_argument(
            "--context", metavar="TEXT", default="", help="what it is for; needed to decrypt; no secret"
        )
    sign = _add(commands, "sign", "data", "print the signature of a file, in hex", example="sign release dist.tar.gz")
    verify = _add(
        commands, "verify", "data", "check the signature of a file", example="verify release dist.tar.gz dist.sig"
    )
    for parser in (sign, verify):
        parser.add_argument("name", metavar="NAME", help="of the key: Ed25519, or HMAC")
        parser.add_argument("source", metavar="FILE", help="the file; -: standard input")
    verify.add_argument("signature", metavar="SIGNATURE", help="a file with what sign printed")
    run = _add(
        commands,
        "run",
        "data",
        "run a command, and give it secrets",
        "They come to it in files that are only in memory, by a variable that names the path, a descriptor, or "
        "standard input. The store is locked meanwhile. The exit status is the command's, 128 and more for a signal.",
        "run --file PGPASSFILE=database -- psql -h db.example.org",
    )
    run.add_argument(
        "--file", metavar="VAR=NAME", action="append", default=[], help="set VAR to the path of a file with the secret"
    )
    run.add_argument("--fd", metavar="N=NAME", action="append", default=[], help="open descriptor N, from 3 on, on it")
    run.add_argument("--stdin", metavar="NAME", help="give the secret as standard input")
    run.add_argument("command", nargs="...", metavar="COMMAND", help="the command and its arguments, after --")
