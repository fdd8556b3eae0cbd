"""A row: one statement of a source, what it leads one to expect, and the function that stages it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from securemem._frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem.testing.conformance._probe import Probe

__all__ = ["CannotStageError", "Row", "all_rows", "row"]

_rows: list[Row] = []


class CannotStageError(Exception):
    """The statement cannot be shown on this machine, or by this user; the message says why."""


class Row(Frozen):
    """One statement.

    call: the call it is about. statement: what is said. source: who says it. expected: what a kernel that holds to
    it shows. stage: called in a child process; what it saw, as text. as_user: the child gives up its privileges first.
    """

    call: str
    statement: str
    source: str
    expected: str
    stage: Callable[[Probe], str]
    as_user: bool = False


def row(
    call: str, statement: str, source: str, expected: str, *, as_user: bool = False
) -> Callable[[Callable[[Probe], str]], Callable[[Probe], str]]:
    """Make a row of a function; several rows may share one, where sources disagree."""

    def add(stage: Callable[[Probe], str]) -> Callable[[Probe], str]:
        _rows.append(Row(call, statement, source, expected, stage, as_user))
        return stage

    return add


def all_rows() -> tuple[Row, ...]:
    """Every row, in the order of the calls."""
    for name in ("mlock", "mlock2", "munlock", "all", "unstaged"):
        import_module(f"securemem.testing.conformance._rows_{name}")
    order = {"mlock": 0, "mlock2": 1, "munlock": 2, "mlockall": 3, "munlockall": 4}
    return tuple(sorted(_rows, key=lambda one: order[one.call]))
