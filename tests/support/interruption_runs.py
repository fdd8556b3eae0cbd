"""Starts the processes that interrupt operations (tests/support/interrupted.py), and reads what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.programs import run_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.prey import Found, Prey

SCANS = 3  # of an operation in a sample


def report(name: str, *options: str, timeout: float = 120) -> dict[str, Any]:
    """What interrupting one operation brought."""
    try:
        said = run_module("tests.support.interrupted", name, *options, timeout=timeout, quiet=False)
    except AssertionError as crashed:
        return {"steps": {}, "attempts": 0, "problems": [f"{name}: the process {crashed}"]}
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def scan(prey: Callable[..., Prey], name: str, *, seed: str = "1", scans: int = SCANS) -> list[Found]:
    """What scans from outside found, each while the exception of an interrupted operation is held."""
    attacked = prey(
        f"from tests.support.interrupted import stand_for_scans\nstand_for_scans({name!r}, {seed!r}, {scans})"
    )
    found = []
    size = attacked.learn_sized()
    while size:
        found.append(attacked.scan())
        attacked.go_on()
        size = attacked.learn_sized()
    return found
