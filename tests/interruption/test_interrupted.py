"""Every public operation is interrupted at a seeded sample of its steps, and leaves nothing.

`scripts/interrupt --all` does all steps. The sample changes with INTERRUPTION_SEED.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.interruption.operations import OPERATIONS
from tests.support.interruption_runs import report, scan

SEED = os.environ.get("INTERRUPTION_SEED", "1")
WATCHED = [one.name for one in OPERATIONS if one.watched]
SCANNED = sorted(random.Random(SEED).sample(WATCHED, len(WATCHED) // 5))  # a scan takes a second or two


@pytest.mark.parametrize("name", [one.name for one in OPERATIONS])
def test_interrupted(name):
    """Nothing is left open, held, alive or unwiped, whatever goes wrong wherever; and it works again at once."""
    found = report(name, "--seed", SEED, "--most", "24")
    assert found["problems"] == []
    assert found["attempts"] >= len(found["steps"])


@pytest.mark.parametrize("name", SCANNED)
def test_interrupted_under_a_scanner(prey, name):
    """While the exception is held, a scan from outside finds the secret in locked memory only, and the control."""
    found = scan(prey, name, seed=SEED)
    assert all(one.control[1] >= 1 for one in found), found
    assert all(one.key[1] == 0 for one in found), found
