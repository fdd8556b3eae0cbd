"""`securemem scan PID --needle-from FD`: where copies of a secret are in a running process."""

from __future__ import annotations

import json
import os
import resource
from typing import TYPE_CHECKING

from securemem.cli._output import complain, printable, write
from securemem.exceptions import ScanRefusedError
from securemem.testing import needles_of, scan

if TYPE_CHECKING:
    import argparse

    from securemem.testing import Copy, Report

_LONGEST = 1 << 20  # bytes of a secret
_CANNOT = 2


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `scan` to the command."""
    parser = subparsers.add_parser(
        "scan",
        help="say where copies of a secret are in a running process",
        description="Searches the memory of process PID for a secret, in every form, and says where each copy lies: "
        "mapping, offset, form, and whether it is locked. The secret is read from an open descriptor, raw, to its end; "
        "it is never an argument. This process holds it in ordinary memory, out of cores, until it ends. "
        "Exit status: 0 if no copy lies outside locked memory, 1 if one does, 2 if it could not be told.",
        epilog="Example: securemem scan 1234 --needle-from 3 3< secret-file",
    )
    parser.add_argument("pid", metavar="PID", type=int, help="the process to search")
    parser.add_argument("--needle-from", metavar="FD", type=int, required=True, help="a descriptor to read it from")
    parser.add_argument("--line", action="store_true", help="leave a line end at the end of the secret out")
    parser.add_argument("--json", action="store_true", help="print one JSON document, as docs/reference/scan.md says")
    parser.set_defaults(run=run, wrong_usage=parser.error)


def _read(descriptor: int) -> bytes:
    data = b""
    while piece := os.read(descriptor, _LONGEST):
        data += piece
        if len(data) > _LONGEST:
            raise ValueError(f"the secret has more than {_LONGEST} bytes")
    return data


def _row(one: Copy) -> str:
    state = "locked" if one.locked else "not locked"
    state += "" if one.accessible else ", no access"
    return f"  {one.form:<24} {one.mapping:<28} +{one.offset:#x}  {state}  {printable(one.memory)}"


def _page(pid: int, report: Report) -> str:
    lines = [f"process {pid}: {report.unlocked} copies outside locked memory, {report.locked} in it"]
    lines += [_row(one) for one in sorted(report.copies, key=lambda one: (one.locked, one.address))]
    if report.count > len(report.copies):
        lines.append(f"  and {report.count - len(report.copies)} more")
    speed = report.scanned / (1 << 20) / report.seconds
    lines.append(f"{report.scanned >> 20} MiB searched ({speed:.0f} MiB/s), {report.unreadable >> 10} KiB not given")
    if report.attached:
        lines.append("the scanner had to attach to the process as a debugger, for pages without access")
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> int:
    """Search, and print what was found; the exit status."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        secret = _read(arguments.needle_from)
        report = scan(arguments.pid, needles_of(secret.removesuffix(b"\n") if arguments.line else secret))
    except ScanRefusedError as error:
        complain(f"securemem scan: {error.strerror}")
        return _CANNOT
    except (OSError, ValueError) as error:
        complain(f"securemem scan: {getattr(error, 'strerror', None) or error}")
        return _CANNOT
    if arguments.json:
        said = report.as_dict() | {"copies": [one.as_dict() for one in report.copies]}
        write(json.dumps({"schema": 1, "pid": arguments.pid} | said, indent=2))
    else:
        write(_page(arguments.pid, report))
    return 1 if report.unlocked else 0
