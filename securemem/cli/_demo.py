"""`securemem demo FILE`: what everyday Python leaves of secrets in memory, and what is left with securemem.

Two worker processes, one after the other, encrypt and decrypt the file, take secrets from a prompt, the environment and
a JSON file, and put one into the header of a request. This process is the attacker: it alone knows what to search for,
and reads each worker's memory from outside while that stands still.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from securemem.cli._demo_attack import ENTRY, HEADER, KEY, TOKEN, TYPED, Attack, Found, WorkerError, attack
from securemem.cli._output import complain, paint, printable, wants_colour, write

if TYPE_CHECKING:
    import argparse

_LAST_STANDARD = 2
_GOOD, _BAD = "32;1", "31;1"
_ROWS = {
    KEY: "key in bytes, encrypting FILE",
    TYPED: "password typed at a prompt",
    TOKEN: "token from the environment (1)",
    ENTRY: "password in a JSON file",
    HEADER: "token in a request's header",
}
_NEXT = """Next:  securemem doctor       what this machine protects, and what to change
       securemem run APP      your program as it is, with freed memory wiped
       pydoc securemem        how to keep its secrets in SecureBytes"""


def _verdict(plain: Attack, ours: Attack) -> tuple[int, str]:
    if plain.refusal or ours.refusal:
        return 0, f"no verdict on copies: {plain.refusal or ours.refusal}"
    unseen = [name for name, found in plain.found["used"].items() if found.unlocked == 0]
    # The control of our column: what lies in locked memory, and is open for the process itself, must be found there.
    unseen += [name for name, found in ours.found["open"].items() if found.locked == 0]
    if unseen:
        return 1, f"the scan proves nothing: it did not find a secret that is there ({unseen[0]})"
    left = sum(found.unlocked for moment in ours.found.values() for found in moment.values())
    left += sum(found.locked for found in ours.found["released"].values())
    if left:
        return 1, f"FAILED: securemem left {left} copies outside locked memory, or after release"
    kept = sum(found.unlocked for found in plain.found["released"].values())
    return 0, f"no copy outside locked memory; without securemem {kept} after release"


def _cells(name: str, plain: Attack, ours: Attack) -> tuple[str, str, str, str]:
    def count(of: Attack, moment: str) -> str:
        if moment not in of.found:
            return "not allowed"
        found: Found = of.found[moment][name]
        return f"{found.unlocked}{f' + {found.locked} locked' * bool(found.locked)}"

    return count(plain, "used"), count(plain, "released"), count(ours, "used"), count(ours, "released")


def _protection(ours: Attack) -> str:
    """What the kernel says of the key's pages, in words."""
    said = ours.told["protection"]
    words = {
        "locked": said["locked"],
        "not in cores": said["dump_excluded"],
        "not in children": said["fork_policy"] == "excluded",
        "between guard pages": said["guarded"],
        "no access at rest": said["closed"],
    }
    return ", ".join(word if true else f"NOT: {word}" for word, true in words.items())


def _report(name: str, plain: Attack, ours: Attack) -> int:
    status, verdict = _verdict(plain, ours)
    row = "  {:<31}{:>11}{:>11}{:>14}{:>10}".format
    lines = [
        f"{name}: {ours.told['compared']:,} bytes encrypted with AES-256-GCM, decrypted, compared: equal\n",
        "Copies of each secret, whole or in parts, that another process finds in memory:\n",
        f"  {'':<31}{'everyday Python':>22}{'with securemem':>24}",
        row("", "in use", "released", "in use", "released"),
    ]
    lines += [row(label, *_cells(key, plain, ours)) for key, label in _ROWS.items() if key in _seen(plain, ours)]
    lines += [
        "  (1) with securemem from a file of credentials, as systemd and Docker give them\n",
        "Pages of the key in securemem, as the kernel tells:",
        f"  {_protection(ours)}\n",
        paint(f"Verdict: {verdict}.", _BAD if status else _GOOD, wanted=wants_colour()) + "\n",
        _NEXT,
    ]
    write("\n".join(lines))
    return status


def _seen(plain: Attack, ours: Attack) -> set[str]:
    """The secrets that there were: all, where none could be counted."""
    moments = [*plain.found.values(), *ours.found.values()]
    return set().union(*moments) if moments else set(_ROWS)


def _fail(name: str, why: str) -> int:
    complain(f"securemem demo: {name}: {why}")
    return 2


def _keep_standard_descriptors_taken() -> None:
    """Open what is closed of descriptors 0 to 2, so that no file or pipe of ours becomes a worker's standard stream."""
    while (descriptor := os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)) <= _LAST_STANDARD:
        pass
    os.close(descriptor)


def run(arguments: argparse.Namespace) -> int:
    """Carry the demo out; 0: no copy outside locked memory, 1: copies, 2: it could not be done."""
    name = printable(arguments.file)
    _keep_standard_descriptors_taken()
    try:
        # Not to wait for the writer of a named pipe, which is refused below.
        descriptor = os.open(arguments.file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        return _fail(name, getattr(error, "strerror", None) or str(error))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return _fail(name, "is a directory" if stat.S_ISDIR(found.st_mode) else "is not a regular file")
        if found.st_size == 0:
            return _fail(name, "the file is empty: give one with something to encrypt")
        return _report(name, attack("plain", descriptor), attack("protected", descriptor))
    except WorkerError as error:
        return _fail(name, str(error))
    finally:
        os.close(descriptor)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo` to the command."""
    parser = subparsers.add_parser(
        "demo",
        help="count the copies of secrets in memory, with everyday Python and with securemem",
        description="Encrypts and decrypts FILE in two processes, one of everyday Python and one with securemem, which "
        "also take secrets from a prompt, the environment and files, and counts copies of each secret in both from "
        "outside. Exit status: 0 if securemem left none outside locked memory, 1 if it did, 2 if it could not be done.",
    )
    parser.add_argument("file", metavar="FILE", help="a file to encrypt; it is only read")
    parser.set_defaults(run=run, wrong_usage=parser.error)
