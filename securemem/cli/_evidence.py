"""`securemem evidence`: the attacks on everyday ways to hold a key and on securemem's, on this machine, as a page."""

from __future__ import annotations

import json
import platform
import ssl
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from securemem.cli._evidence_attacks import ATTACKS, WAYS, Cell, attack_all
from securemem.cli._evidence_page import cell_text, html_page, markdown_page
from securemem.cli._output import write
from securemem.version import __version__

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

_OURS = ("mlock", "memfd_secret", "crypto-heap")
_BAR = 30
_ELSEWHERE = {
    "swap": "needs root and a swap file of its own: tests/attacks/test_swap.py",
    "page merging, compaction": "change settings of the whole machine: tests/attacks/test_page_merging.py, "
    "tests/attacks/test_compaction.py",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `evidence` to the command."""
    parser = subparsers.add_parser(
        "evidence",
        help="attack ways to hold a key, everyday ones and securemem's, on this machine, and show what was found",
        description="Runs every attack that this machine permits on a key held in bytes, in a bytearray, by PyNaCl and "
        "libsodium where they are installed, and by securemem, and prints how many copies each found. "
        "Exit status: 0 if securemem left no copy where it promises none, 1 if it did, 2 if nothing could be attacked.",
    )
    parser.add_argument("--html", metavar="FILE", help="write one self-contained page for a reviewer")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables as Markdown")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    parser.set_defaults(run=run, wrong_usage=parser.error)


def _facts() -> dict[str, str]:
    facts = {
        "securemem": __version__,
        "Linux": f"{platform.release().partition('-')[0]} {platform.machine()}",
        "Python": platform.python_version(),
        "C library": " ".join(platform.libc_ver()) or "unknown",
        "OpenSSL of Python": ssl.OPENSSL_VERSION,
    }
    for package in ("cryptography", "PyNaCl"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def _promised(way: str, attack: str, cell: Cell) -> bool:
    """Whether a cell is as SECURITY.md says; what was not tried breaks no promise."""
    if cell.why or way not in _OURS:
        return True
    if attack == "gcore":  # a debugger that ignores the wish not to be dumped sees the one copy of an mlocked key
        return cell.unlocked == 0 or way in {"mlock", "crypto-heap"}
    if attack == "released":
        return cell.unlocked + cell.locked == 0
    if attack == "child" and way == "crypto-heap":  # children inherit the heap, and lock it again
        return cell.unlocked == 0
    return cell.unlocked == 0 and (attack != "core" or cell.locked == 0)


def judge(found: Mapping[str, Mapping[str, Cell]]) -> tuple[int, str]:
    """The exit status, and the verdict in words."""
    if found["bytes"]["used"].why:
        return 2, f"nothing could be attacked: {found['bytes']['used'].why}"
    if found["bytes"]["used"].unlocked == 0:
        return 2, "the scan proves nothing: it did not find a key that is there"
    broken = [
        f"{WAYS[way]}, {ATTACKS[attack][0]}"
        for way, cells in found.items()
        for attack, cell in cells.items()
        if not _promised(way, attack, cell)
    ]
    if broken:
        return 1, f"FAILED: copies where securemem promises none: {'; '.join(broken)}"
    tried = sum(not cell.why for way in _OURS for cell in found[way].values())
    plain = found["bytes"]["used"].unlocked
    return 0, f"No copy where securemem promises none, in {tried} attacks; bytes in use: {plain} copies."


def _missing(found: Mapping[str, Mapping[str, Cell]]) -> dict[str, str]:
    missing: dict[str, str] = {}
    for way, cells in found.items():
        whys = {cell.why for cell in cells.values()}
        if len(whys) == 1 and "" not in whys:
            missing[WAYS[way]] = whys.pop()
            continue
        for attack, cell in cells.items():
            if cell.why:
                missing[f"{ATTACKS[attack][0]} of {WAYS[way]}"] = cell.why
    return missing | _ELSEWHERE


def _progress(done: int, total: int, label: str) -> None:
    if sys.stderr is None or not sys.stderr.isatty():
        return
    filled = _BAR * done // total
    end = "\n" if done == total else ""
    sys.stderr.write(f"\r\033[K[{'#' * filled}{'.' * (_BAR - filled)}] {done}/{total} {label}{end}")
    sys.stderr.flush()


def _table(found: Mapping[str, Mapping[str, Cell]], verdict: str, missing: Mapping[str, str]) -> str:
    lines = ["Copies of a key outside locked memory (+ in it), whole or in parts:", ""]
    lines.append("  " + " " * 28 + "".join(f"{name:>14}" for name in ATTACKS))
    for way, label in WAYS.items():
        cells = ("-" if cell.why else cell_text(cell).replace(" locked", "") for cell in found[way].values())
        lines.append(f"  {label:<28}" + "".join(f"{text:>14}" for text in cells))
    lines += ["", *(f"  {name}: {text}" for name, (_, text) in ATTACKS.items())]
    lines += ["", "Not tried (-):", *(f"  {name}: {why}" for name, why in missing.items()), "", verdict]
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> int:
    """Attack, print, and write the pages; the exit status."""
    found = attack_all(_progress)
    status, verdict = judge(found)
    facts, missing = _facts(), _missing(found)
    for path, make in ((arguments.html, html_page), (arguments.markdown, markdown_page)):
        if path:
            Path(path).write_text(make(found, facts, verdict, missing), encoding="utf-8")
    if arguments.json:
        cells = {
            way: {name: {"unlocked": one.unlocked, "locked": one.locked, "why": one.why} for name, one in row.items()}
            for way, row in found.items()
        }
        write(json.dumps({"schema": 1, "verdict": verdict, "facts": facts, "found": cells}, indent=2))
    else:
        write(_table(found, verdict, missing))
    return status
