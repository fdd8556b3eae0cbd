"""`securemem doctor`: what this machine and process protect, for people and for scripts."""

from __future__ import annotations

import json
import shutil
import textwrap
from importlib import import_module
from typing import TYPE_CHECKING

from securemem._frozen import Frozen
from securemem.cli._output import paint, printable, wants_colour, write
from securemem.process import findings, report
from securemem.version import __version__

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from securemem.process import Finding, Report

# Raised when a field or a check's name goes, or changes its meaning; new ones do not raise it.
SCHEMA = 1
_FAILING = ("problem",)
_FAILING_STRICT = ("problem", "warning", "unknown")
_COLOURS = {"problem": "31;1", "warning": "33;1", "unknown": "33", "note": "36", "ok": "32"}  # the worst first
_MARGIN = 10
_NARROWEST = 40
_REMEDIES_OF_A_PROBLEM = 2  # without --all; everything else shows the first
# A remedy names its place before the colon. Some places are a container's, some are out of its reach.
_DOCKER, _KUBERNETES = ("Docker", "Compose"), ("Kubernetes",)
_OUTSIDE_CONTAINERS = ("systemd", "login sessions", "shell", "sysctl", "machine", "kernel command line", "/etc")


def _failing(found: Iterable[Finding], *, strict: bool) -> list[Finding]:
    return [one for one in found if one.level in (_FAILING_STRICT if strict else _FAILING)]


def as_json(facts: Report, found: Sequence[Finding], *, strict: bool) -> str:
    """The document that docs/reference/doctor.md describes."""
    document = {
        "schema": SCHEMA,
        "securemem": __version__,
        "status": "fail" if _failing(found, strict=strict) else "pass",
        "strict": strict,
        "findings": found,
        "facts": facts,
    }
    return json.dumps(document, indent=2, default=Frozen.as_dict)


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def verdict(found: Sequence[Finding], *, strict: bool) -> str:
    """One line: pass or fail, and why."""
    failing = _failing(found, strict=strict)
    ended = f"{'fail' if failing else 'pass'}{' (strict)' * strict}"
    if failing:
        worst = min(failing, key=lambda one: list(_COLOURS).index(one.level))
        more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
        return f"{ended}: {worst.name}: {worst.fact}{more}"
    warnings = sum(one.level in _FAILING_STRICT for one in found)
    if warnings:
        return f"{ended}: secrets can be kept in locked memory; {_counted(warnings, 'warning')} about copies of them"
    return f"{ended}: secrets can be kept in locked memory; nothing seen here lets a copy out"


class _Page:
    """The text of the findings, laid out for a width."""

    def __init__(self, facts: Report, *, width: int, colour: bool, everything: bool) -> None:
        self.lines: list[str] = []
        self._width, self._colour, self._everything = width, colour, everything
        self._container = facts.container.kind
        self._shown: dict[str, str] = {}  # remedies, and the finding that showed each

    def wrapped(self, label: str, text: str, colour: str) -> None:
        """A label in the margin and a text beside it."""
        first, *more = textwrap.wrap(
            printable(text), max(_NARROWEST, self._width - _MARGIN), break_on_hyphens=False
        ) or [""]
        self.lines.append(paint(f"{label:<{_MARGIN}}", colour, wanted=self._colour) + first)
        self.lines += [" " * _MARGIN + line for line in more]

    def _remedies(self, one: Finding) -> tuple[str, ...]:
        """All of them; or the first of those that fit the place."""
        if self._everything:
            return one.remedies
        elsewhere: tuple[str, ...] = _DOCKER + _KUBERNETES
        if self._container is not None:
            elsewhere = _OUTSIDE_CONTAINERS + (_DOCKER if self._container == "kubernetes" else _KUBERNETES)
        fitting = [line for line in one.remedies if not line.startswith(elsewhere)] or list(one.remedies)
        return tuple(fitting[: _REMEDIES_OF_A_PROBLEM if one.level == "problem" else 1])

    def finding(self, one: Finding) -> None:
        """What is so, why it matters, what to do; no remedy a second time."""
        self.wrapped(one.level, f"{one.name}: {one.fact}", _COLOURS[one.level])
        if self._everything or one.level != "note":
            self.wrapped("", f"why: {one.why}", "")
        known: dict[str, None] = {}
        for remedy in self._remedies(one):
            if remedy in self._shown:
                known[self._shown[remedy]] = None
                continue
            self._shown[remedy] = one.name
            # A remedy stays on one line however long it is: it is there to be copied.
            self.lines.append(f"{' ' * _MARGIN}do:  {printable(remedy)}")
        if known:
            self.lines.append(f"{' ' * _MARGIN}do:  as for {', '.join(known)}")


def as_text(facts: Report, found: Sequence[Finding], *, strict: bool, everything: bool) -> str:
    """The page for people: the verdict, then what is worst, then what is fine in one line."""
    colour = wants_colour()
    width = shutil.get_terminal_size().columns
    page = _Page(facts, width=width, colour=colour, everything=everything)
    failed = bool(_failing(found, strict=strict))
    for line in textwrap.wrap(printable(verdict(found, strict=strict)), max(_NARROWEST, width)):
        page.lines.append(paint(line, _COLOURS["problem" if failed else "ok"], wanted=colour))
    for level in _COLOURS:
        for one in found:
            if one.level == level and (everything or level != "ok"):
                page.finding(one)
    fine = [one.name for one in found if one.level == "ok"]
    if not everything:
        page.wrapped("ok", ", ".join(fine) or "nothing", _COLOURS["ok"])
        page.lines.append("securemem doctor --all: every check, with each reason and all remedies")
    return "\n".join(page.lines)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; 0 if this machine passes, 1 if it fails."""
    if arguments.deep is not None:
        return int(import_module("securemem.cli._deep").run(arguments.deep))
    facts = report()
    found = findings(facts)
    strict: bool = arguments.strict
    if arguments.json:
        write(as_json(facts, found, strict=strict))
    else:
        write(as_text(facts, found, strict=strict, everything=arguments.all))
    return 1 if _failing(found, strict=strict) else 0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doctor` to the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="say what this machine and process protect, why it matters, and what to do",
        description="Says what this machine, and a process started from here, protect of a secret in memory. "
        "Exit status: 0 without a problem; 1 with one, or with --strict also with a warning or something that could "
        "not be read; 2 for a wrong usage, or where it could not be told. To see what a hardened program has: "
        "securemem run -m securemem doctor.",
    )
    parser.add_argument("--all", action="store_true", help="show every check, with its reason and all remedies")
    parser.add_argument("--json", action="store_true", help="print one JSON document, as docs/reference/doctor.md says")
    parser.add_argument("--strict", action="store_true", help="fail for warnings and for what could not be read too")
    parser.add_argument(
        "--deep",
        nargs="*",
        metavar="WORD",
        help="instead, use the installed cryptography and search what it leaves outside locked memory, operation by "
        "operation, without the crypto heap and with it; only operations with one of the words in their names. It "
        "takes some minutes",
    )
    parser.set_defaults(run=run, wrong_usage=parser.error)
