"""Child programs for the tests of locking: each runs in a process of its own, as root or as an ordinary user."""

from __future__ import annotations

import mmap
import subprocess
from typing import TYPE_CHECKING

from tests.support import programs

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE = mmap.PAGESIZE
PRELUDE = "from tests.support.locking_child import *\n"
PATIENCE = 120  # seconds


def run(code: str, *, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the code after the prelude, to whatever end."""
    with programs.start(PRELUDE + code, environment=environment) as process:
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def passes(code: str, *, environment: Mapping[str, str] | None = None) -> str:
    """Run the code and assert that it ended well; what it printed."""
    return programs.run(PRELUDE + code, environment=environment, timeout=PATIENCE, quiet=False)
