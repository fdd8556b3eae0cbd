"""`securemem demo FILE`: the same work on plain bytes and on SecureBytes, with the copies of the key counted.

Two worker processes, one after the other, encrypt and decrypt the file. This process is the attacker: it alone knows
what to search for, and reads each worker's memory from outside while that stands still.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from securemem.cli._demo_worker import KEY_BYTES
from securemem.cli._output import complain, printable, write
from securemem.exceptions import ScanRefusedError
from securemem.scanning.needles import forms_of
from securemem.scanning.scanner import Copies, Place, scan_process

if TYPE_CHECKING:
    import argparse
    from typing import IO

_LAST_STANDARD = 2
MOMENTS = ("the key is held", "after encrypting and decrypting", "after the key was released")

# The worker imports from where this process does, whatever its working directory is.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from securemem.cli._demo_worker import main; "
    "sys.exit(main(sys.argv[2], int(sys.argv[3])))"
)


class _WorkerError(Exception):
    """A worker could not do its work; the text says why."""


@dataclass(frozen=True, slots=True)
class _Attack:
    """What the attacker learnt of one worker: a scan per moment (None: forbidden), and what the worker told."""

    scans: tuple[Copies | None, ...]
    refusal: str
    told: dict[str, Any]


def _receive(worker: subprocess.Popen[bytes], length: int | None) -> bytes:
    """So many bytes, or a line, of what the worker writes."""
    stream = cast("IO[bytes]", worker.stdout)
    received = stream.readline() if length is None else stream.read(length)
    if len(received) != length and not received.endswith(b"\n"):
        _, errors = worker.communicate()
        lines = errors.decode(errors="replace").strip().splitlines()
        raise _WorkerError(lines[-1] if lines else f"the worker ended with status {worker.returncode}")
    return received


def _attack(kind: str, descriptor: int) -> _Attack:
    """Run one worker and scan it at each moment."""
    command = [sys.executable, "-c", _START, json.dumps(sys.path), kind, str(descriptor)]
    pipe = subprocess.PIPE
    scans: list[Copies | None] = []
    told: dict[str, Any] = {}
    refusal = ""
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=[descriptor]) as worker:  # noqa: S603 - ourselves
        try:
            needles = forms_of(_receive(worker, KEY_BYTES))
            for _ in MOMENTS:
                told |= json.loads(_receive(worker, None))
                try:
                    scans.append(scan_process(worker.pid, needles))
                except ScanRefusedError as error:
                    scans.append(None)
                    refusal = error.strerror or str(error)
                go_on = cast("IO[bytes]", worker.stdin)
                go_on.write(b".")
                go_on.flush()
        except (BrokenPipeError, ProcessLookupError) as error:
            raise _WorkerError(f"the worker was ended from outside: {error}") from error
        finally:
            worker.kill()  # nothing where it has ended by itself
    return _Attack(tuple(scans), refusal, told)


def _cell(scan: Copies | None) -> str:
    return "not allowed" if scan is None else f"{scan.unlocked} / {scan.locked}"


def _place(place: Place) -> str:
    locked = "locked" if place.locked else "not locked"
    return f"{place.memory} memory, {locked}, {'accessible' if place.accessible else 'without access'}"


def _protection_lines(attack: _Attack) -> list[str]:
    held = attack.scans[0]
    lines = [f"  {name.replace('_', ' '):<18} {value}" for name, value in attack.told["protection"].items()]
    if held is not None:
        lines += [f"  seen from outside: {place}" for place in sorted(set(map(_place, held.where)))]
    return lines


def _verdict(plain: _Attack, ours: _Attack) -> tuple[int, str]:
    if plain.refusal or ours.refusal:
        return 0, f"no verdict on copies: {plain.refusal or ours.refusal}"
    left = sum(scan.unlocked for scan in ours.scans if scan is not None)
    control = plain.scans[0]
    if control is None or control.unlocked == 0 or ours.scans[0] is None or ours.scans[0].locked == 0:
        return 1, "the scan proves nothing: it did not find a key that is there"
    if left:
        return 1, f"FAILED: {left} copies of the key outside locked memory in the SecureBytes column"
    return 0, "no copy of the SecureBytes key outside locked memory, at any moment"


def _report(name: str, plain: _Attack, ours: _Attack) -> int:
    status, verdict = _verdict(plain, ours)
    lines = [
        f"{name}: {ours.told['compared']:,} bytes encrypted with AES-256-GCM, decrypted, compared: equal\n",
        "Copies of the key, whole or in parts, found by reading the worker's memory from outside",
        "(outside locked memory / in locked memory):\n",
        f"  {'':<33}{'plain bytes':<15}SecureBytes",
    ]
    for moment, first, second in zip(MOMENTS, plain.scans, ours.scans, strict=True):
        lines.append(f"  {moment:<33}{_cell(first):<15}{_cell(second)}")
    lines.append("\nProtection of the SecureBytes key while it was held, read back from the kernel:\n")
    lines += _protection_lines(ours)
    lines.append(f"\nVerdict: {verdict}.")
    write("\n".join(lines))
    return status


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
        return _report(name, _attack("plain", descriptor), _attack("protected", descriptor))
    except _WorkerError as error:
        return _fail(name, str(error))
    finally:
        os.close(descriptor)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo` to the command."""
    parser = subparsers.add_parser(
        "demo",
        help="encrypt a file with plain bytes and with SecureBytes, and count the copies of the key in memory",
        description="Encrypts and decrypts FILE in two processes, with the key in plain bytes and in a SecureBytes, "
        "and counts copies of the key in each from outside. Exit status: 0 if the SecureBytes key left none outside "
        "locked memory, 1 if it did, 2 if it could not be done.",
    )
    parser.add_argument("file", metavar="FILE", help="a file to encrypt; it is only read")
    parser.set_defaults(run=run, wrong_usage=parser.error)
