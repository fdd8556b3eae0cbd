"""`securemem doctor`: what this machine and process protect, line by line, for people and for scripts."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING

from securemem.process import findings, report
from securemem.version import __version__

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from securemem.process import Finding, Report

# Raised when a field or a check's name goes, or changes its meaning; new ones do not raise it.
SCHEMA = 1
_FAILING = ("problem",)
_FAILING_STRICT = ("problem", "warning", "unknown")
_COLOURS = {"ok": "32", "note": "36", "unknown": "33", "warning": "33;1", "problem": "31;1"}
_MARGIN = 10
_NARROWEST = 40


def _fails(found: Sequence[Finding], *, strict: bool) -> bool:
    return any(one.level in (_FAILING_STRICT if strict else _FAILING) for one in found)


def _wants_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def _lines(one: Finding, width: int, *, colour: bool) -> list[str]:
    label = f"{one.level:<{_MARGIN}}"
    if colour:
        label = f"\033[{_COLOURS[one.level]}m{label}\033[0m"
    wrapped = textwrap.wrap(f"{one.name}: {one.fact}", max(_NARROWEST, width - _MARGIN), break_on_hyphens=False)
    shown = [label + wrapped[0], *(" " * _MARGIN + line for line in wrapped[1:])]
    indent = " " * _MARGIN
    shown += textwrap.wrap(f"why: {one.why}", max(_NARROWEST, width), initial_indent=indent, subsequent_indent=indent)
    # A remedy stays on one line however long it is: it is there to be copied.
    return shown + [f"{indent}do:  {remedy}" for remedy in one.remedies]


def as_json(facts: Report, found: Sequence[Finding], *, strict: bool) -> str:
    """The document that docs/reference/doctor.md describes."""
    document = {
        "schema": SCHEMA,
        "securemem": __version__,
        "status": "fail" if _fails(found, strict=strict) else "pass",
        "strict": strict,
        "findings": [asdict(one) for one in found],
        "facts": asdict(facts),
    }
    return json.dumps(document, indent=2)


def _print_text(found: Sequence[Finding], *, strict: bool) -> None:
    width = shutil.get_terminal_size().columns
    colour = _wants_colour()
    for one in found:
        print("\n".join(_lines(one, width, colour=colour)))
    counts = {level: sum(one.level == level for one in found) for level in _COLOURS}
    summary = ", ".join(f"{count} {level}" for level, count in counts.items() if count)
    print(f"\n{summary}: {'fail' if _fails(found, strict=strict) else 'pass'}{' (strict)' if strict else ''}")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; 0 if this machine passes, 1 if it fails."""
    facts = report()
    found = findings(facts)
    if arguments.json:
        print(as_json(facts, found, strict=arguments.strict))
    else:
        _print_text(found, strict=arguments.strict)
    return 1 if _fails(found, strict=arguments.strict) else 0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doctor` to the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what this machine and process protect, why it matters, and what to do",
        description="Says what this machine, and a process started from here, protect of a secret in memory. "
        "Exit status: 0 without a problem; 1 with one, or with --strict also with a warning or something that could "
        "not be read; 2 for a wrong usage. To see what a hardened program has: securemem run -m securemem doctor.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document, as docs/reference/doctor.md says")
    parser.add_argument("--strict", action="store_true", help="fail for warnings and for what could not be read too")
    parser.set_defaults(run=run)
