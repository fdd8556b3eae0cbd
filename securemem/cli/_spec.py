"""`securemem spec`: the specification of the mlock family, as a page or as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from securemem._frozen import Frozen
from securemem.locking.specification import CALLS, Call, Parameter

if TYPE_CHECKING:
    import argparse

_WIDTH = 80


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("spec", help="print what mlock, mlock2, munlock, mlockall and munlockall must do")
    parser.add_argument("call", nargs="?", choices=[call.name for call in CALLS], metavar="CALL", help="one call only")
    parser.add_argument("--json", action="store_true", help="as JSON, for scripts")
    parser.set_defaults(run=run)


def _plain(value: object) -> Any:
    """Frozen objects as dicts, all the way down."""
    if isinstance(value, Frozen):
        return {name: _plain(one) for name, one in value.as_dict().items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def _section(title: str, lines: list[str]) -> list[str]:
    wrapped = [textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="      ") for line in lines]
    return ["", title, *wrapped] if lines else []


def _after(separator: str, words: str) -> str:
    return separator + words if words else ""


def _parameter(one: Parameter) -> str:
    return f"{one.name} ({one.type}): {one.meaning}; {one.allowed}{_after('; rounded ', one.rounding)}"


def _page(call: Call) -> str:
    said = [call.prototype, textwrap.fill(call.description, _WIDTH)]
    facts = [f"context: {call.context}", f"returns: {call.returns}", f"since: Linux {call.since}"]
    said += _section("CALL", [*facts, f"privilege: {call.privilege}"])
    said += _section("PARAMETERS", [_parameter(one) for one in call.parameters])
    said += _section("ERRORS", [f"{one.name}: {one.condition} [{one.source}]" for one in call.errors])
    said += _section("SIGNALS", [f"{one.name}, {one.direction}: {one.condition}" for one in call.signals])
    said += _section(
        "SIDE EFFECTS",
        [
            f"{one.target}: {one.change}{' (' + one.condition + ')' if one.condition else ''}"
            f"{'' if one.reversible else ', for good'}"
            for one in call.effects
        ],
    )
    said += _section(
        "STATES",
        [
            f"{one.subject}: {one.before} -> {one.after}{' (' + one.condition + ')' if one.condition else ''}"
            for one in call.transitions
        ],
    )
    said += _section("LOCKS TAKEN", [f"{one.name} ({one.kind}): {one.purpose}" for one in call.locks])
    said += _section("NOTES", [f"{one.text} [{one.source}]" for one in call.notes])
    return "\n".join(said)


def run(arguments: argparse.Namespace) -> int:
    """Print it; 0."""
    chosen = [call for call in CALLS if arguments.call in {None, call.name}]
    if arguments.json:
        print(json.dumps({"schema": 1, "calls": [_plain(call) for call in chosen]}, indent=2))
    else:
        print("\n\n\n".join(map(_page, chosen)))
    return 0
