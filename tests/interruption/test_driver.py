"""The interruption driver finds, in a copy of yesterday's statements, each defect that it is there to find."""

from __future__ import annotations

import pytest

from tests.interruption.defects import DEFECTS, OPERATIONS
from tests.support.interruption import NEVER, Bytecodes, Driver
from tests.support.interruption_runs import report, scan

SAID = [(name, said) for name, (_, said) in DEFECTS.items() if said is not None]


@pytest.mark.parametrize(("name", "said"), SAID)
def test_defect_is_found(name, said):
    """An exception at each bytecode: at least one leaves what the driver is to find, and it says so."""
    found = report(name, "--most", "1000", "--patience", "2")
    assert any(said in one for one in found["problems"]), found


def test_copy_in_ordinary_memory_is_found(prey):
    """A copy that a `finally` should have wiped is found by the scan from outside, while the exception is held."""
    found = scan(prey, "copy wiped in finally", scans=12)
    assert len(found) == 12
    assert any(one.key[1] >= 1 for one in found)


def test_every_bytecode_is_reached(tmp_path):
    """The attempts go through the operation from its first bytecode to its last, each at the next place."""
    operation = next(one for one in OPERATIONS if one.name == "secret kept")
    driver, mechanism = Driver(operation, tmp_path, patience=2), Bytecodes(KeyboardInterrupt)
    driver.attempt(mechanism, NEVER)
    count = mechanism.count
    assert count > 20
    fired = []
    while driver.attempt(mechanism, len(fired) + 1):
        fired.append(mechanism.count)
    assert fired == list(range(1, count + 1))
    lines = {one.partition("yesterday.py:")[2].split()[0] for one in driver.problems}
    assert len(lines) >= 2, driver.problems
