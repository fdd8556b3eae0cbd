"""examples/README.md names every example, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support import ROOT

EXAMPLES = Path(ROOT, "examples")


def test_every_example_is_named():
    """The programs of the table are those of the folder: add a line for a new one."""
    named = re.findall(r"\| `(\w+\.py)`", (EXAMPLES / "README.md").read_text())
    assert len(named) >= 10
    assert sorted(named) == sorted(path.name for path in EXAMPLES.glob("*.py"))
