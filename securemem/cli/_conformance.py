"""`securemem conformance`: the running kernel held to the specification of the mlock family."""

from __future__ import annotations

import json
import platform
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from securemem.testing.conformance import run as run_rows

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from securemem.testing.conformance import Outcome, Verdict

_WIDTH = 100
_VERDICTS: tuple[Verdict, ...] = ("differs", "cannot be staged", "held")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("conformance", help="hold this kernel to what `securemem spec` says, row by row")
    parser.add_argument("--json", action="store_true", help="as JSON, for scripts")
    parser.add_argument("--all", action="store_true", help="also the rows that held, which are only counted otherwise")
    parser.set_defaults(run=run)


def _told(outcome: Outcome) -> str:
    line = f"{outcome.call}: {outcome.statement} [{outcome.source}]"
    if outcome.verdict == "cannot be staged":
        return f"{line}: {outcome.why}"
    return line if outcome.verdict == "held" else f"{line}: expected {outcome.expected}, seen {outcome.seen}"


def _page(outcomes: list[Outcome], shown: Iterable[Verdict]) -> str:
    counts = Counter(one.verdict for one in outcomes)
    said = [f"{len(outcomes)} statements, Linux {platform.release()} {platform.machine()}"]
    said += [f"  {counts[verdict]:4} {verdict}" for verdict in _VERDICTS]
    for verdict in shown:
        said += ["", verdict.upper()]
        lines = [_told(one) for one in outcomes if one.verdict == verdict]
        said += [textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="      ") for line in lines]
    said += [
        "",
        "The sources disagree with each other and with kernels: read a difference as a finding.",
    ]
    return "\n".join(said)


def run(arguments: argparse.Namespace) -> int:
    """Stage every row and print the table; 0 whatever was seen, as differences are findings."""
    outcomes = run_rows()
    if arguments.json:
        rows = [one.as_dict() for one in outcomes]
        print(json.dumps({"schema": 1, "kernel": platform.release(), "rows": rows}, indent=2))
    else:
        print(_page(outcomes, _VERDICTS if arguments.all else _VERDICTS[:2]))
    return 0
