"""A process that interrupts one operation of the table, everywhere or at a sample of its steps.

    python -m tests.support.interrupted OPERATION [--all] [--seed N] [--most N]

prints one JSON object: how many steps each mechanism found, how many attempts were made, and what was wrong. A process
of its own for each operation: what an interruption breaks for good stays in it.

`stand_for_scans` is the same for a prey (tests/support/prey.py), which stands still with the exception held.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.interruption.operations import EVERY
from tests.support.interruption import NEVER, PATIENCE, Allocations, Bytecodes, Depth, Driver

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

    from tests.support.interruption import Case, Mechanism

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where to sync a file takes no time
VISITS = 4  # of one bytecode that are interrupted, unless said otherwise; the later ones have nothing new
ENOUGH = {True: 20, False: 2}  # problems of all steps, of a sample: the rest would be more of them


def mechanisms() -> list[Mechanism]:
    """All that this Python has."""
    found: list[Mechanism] = [Bytecodes(KeyboardInterrupt), Bytecodes(MemoryError), Bytecodes(RecursionError), Depth()]
    if importlib.util.find_spec("_testcapi") is not None:
        found.append(Allocations())
    return found


def steps(driver: Driver, mechanism: Mechanism) -> int:
    """How many steps of an operation a mechanism can make go wrong."""
    if isinstance(mechanism, Bytecodes):
        driver.attempt(mechanism, NEVER)
        if mechanism.count < driver.operation.least:
            driver.problems.append(f"{driver.operation.name}: only {mechanism.count} bytecodes are seen")
        return mechanism.count
    reached = 1
    while driver.attempt(mechanism, reached) and not driver.broken and len(driver.problems) < ENOUGH[False]:
        reached *= 2
    return reached


def chosen(count: int, most: int, name: str, seed: object) -> Iterable[int]:
    """A sample of the steps 1 to count: the first, the last, and others by the seed."""
    if count <= most:
        return range(1, count + 1)
    others = random.Random(f"{seed} {name}").sample(range(2, count), most - 2)
    return sorted([1, *others, count])


def everywhere(driver: Driver, mechanism: Bytecodes, most: int) -> Iterable[int]:
    """Every step; of loops that go round often the first rounds, so many, and the last step of all."""
    mechanism.record = []
    driver.attempt(mechanism, NEVER)
    visits: Counter[tuple[CodeType, int]] = Counter()
    found = []
    for at, place in enumerate(mechanism.record, 1):
        visits[place] += 1
        if visits[place] <= most:
            found.append(at)
    found += [len(mechanism.record), len(mechanism.record) + 1]
    mechanism.record = None
    return found


def drive(
    driver: Driver, *, everything: bool, seed: int, most: int, visits: int = VISITS, only: str = ""
) -> dict[str, object]:
    """Interrupt one operation by each mechanism; the report."""
    operation, found = driver.operation, {}
    for mechanism in mechanisms():
        if not mechanism.name.startswith(only):
            continue
        found[mechanism.name] = 0
        if driver.broken or len(driver.problems) >= ENOUGH[everything]:
            continue
        if everything and not isinstance(mechanism, Bytecodes):
            while (
                driver.attempt(mechanism, found[mechanism.name] + 1)
                and not driver.broken
                and len(driver.problems) < ENOUGH[everything]
            ):
                found[mechanism.name] += 1
            continue
        count = found[mechanism.name] = steps(driver, mechanism)
        few = most if isinstance(mechanism, Bytecodes) and mechanism.kind is KeyboardInterrupt else most // 4
        numbers = chosen(count, few, operation.name, seed)
        if everything and isinstance(mechanism, Bytecodes):
            numbers = everywhere(driver, mechanism, visits)
        for at in numbers:
            driver.attempt(mechanism, at)
            if driver.broken or len(driver.problems) >= ENOUGH[everything]:
                break
    return {"steps": found, "attempts": driver.attempts, "problems": driver.problems}


def stand_for_scans(name: str, seed: str, scans: int) -> None:
    """In a prey: interrupt an operation at some bytecodes, tell what it worked on and a control, and stand still."""
    from tests.support.prey_child import fill, stand_still, tell

    operation = EVERY[name]
    counted, mechanism = Bytecodes(KeyboardInterrupt), Bytecodes(KeyboardInterrupt)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        driver = Driver(operation, Path(folder))
        driver.attempt(counted, NEVER)

        def look(case: Case) -> None:
            assert case.watched is not None
            control = fill(bytearray(len(case.watched)))
            tell(len(control).to_bytes(4))
            tell(case.watched)
            tell(control)
            stand_still()

        for at in chosen(counted.count, scans, name, seed):
            if not driver.broken:
                driver.attempt(mechanism, at, look)
        tell(bytes(4))


def main() -> None:
    """Read the command line, drive, report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("operation", choices=sorted(EVERY), metavar="OPERATION")
    parser.add_argument("--all", action="store_true", help="every step, and not a sample")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=40, help="steps of a sample")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds until what does not return hangs")
    parser.add_argument("--visits", type=int, default=VISITS, help="of one bytecode, with --all")
    parser.add_argument("--only", default="", help="what goes wrong: how its name begins, such as KeyboardInterrupt")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        driver = Driver(EVERY[words.operation], Path(folder), patience=words.patience)
        report = drive(
            driver,
            everything=words.all,
            seed=words.seed,
            most=words.most,
            visits=words.visits,
            only=words.only,
        )
        print(json.dumps(report))
    sys.stdout.flush()
    os._exit(0)  # a thread that hangs must not keep this process


if __name__ == "__main__":
    main()
