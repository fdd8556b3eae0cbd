"""Stages rows one by one, each in a child process, so that no lock, limit or death of one reaches another."""

from __future__ import annotations

import faulthandler
import json
import os
import select
import signal
from typing import TYPE_CHECKING, Literal

from securemem._frozen import Frozen
from securemem.testing.conformance._probe import Probe
from securemem.testing.conformance._rows import CannotStageError, Row, all_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Outcome", "Verdict", "run"]

Verdict = Literal["held", "differs", "cannot be staged"]
_LONGEST = 10.0  # seconds for one row
_MOST = 65536  # bytes of what a row says


class Outcome(Frozen):
    """What one row showed: the row's words, what was seen, and the verdict; why, where it cannot be staged."""

    call: str
    statement: str
    source: str
    expected: str
    seen: str
    verdict: Verdict
    why: str


def _child(row: Row, descriptor: int) -> None:
    faulthandler.disable()  # deaths are what some rows stage
    try:
        probe = Probe()
        if row.as_user:
            probe.become_user()
        said = {"seen": row.stage(probe)}
    except CannotStageError as error:
        said = {"why": str(error)}
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs into the table
        said = {"seen": f"{type(error).__name__}: {error}"}
    os.write(descriptor, json.dumps(said).encode())


def _said(reading: int, child: int) -> dict[str, str]:
    """What the child wrote before it ended; it is ended where it takes too long."""
    said = b""
    while len(said) < _MOST:
        if not select.select([reading], [], [], _LONGEST)[0]:
            os.kill(child, signal.SIGKILL)
            return {"seen": f"no answer within {_LONGEST:.0f} s"}
        piece = os.read(reading, _MOST)
        if not piece:
            break
        said += piece
    answer: dict[str, str] = json.loads(said) if said else {"seen": "the process died"}
    return answer


def _stage(row: Row) -> Outcome:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _child(row, writing)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        answer = _said(reading, child)
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    words = (row.call, row.statement, row.source, row.expected)
    if "why" in answer:
        return Outcome(*words, "", "cannot be staged", answer["why"])
    seen = answer["seen"]
    return Outcome(*words, seen, "held" if seen == row.expected else "differs", "")


def run(rows: Iterable[Row] | None = None) -> list[Outcome]:
    """Stage the rows, all of them by default, and say what each showed. Takes seconds; changes nothing that stays.

    Call it before the first secret, or run `securemem conformance`: what a child has locked from its start, such as an
    inherited arena or the crypto heap, counts in rows that are about limits.
    """
    return [_stage(one) for one in (all_rows() if rows is None else rows)]
