"""examples/realtime_like_lock.py runs, and proves what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.locking_programs import run

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "realtime_like_lock.py"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: an ordinary user may not lock a whole process")
def test_no_fault_in_the_locked_section():
    """Locked, the section has no page fault; unprepared, at least one for each page: the count does find them."""
    done = subprocess.run([sys.executable, EXAMPLE, "5"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    unprepared, prepared = (int(number) for number in re.findall(r"section, .*: (\d+)$", done.stdout, re.MULTILINE))
    assert prepared == 0
    assert unprepared >= 1024
    assert "the key is still locked: True" in done.stdout


def test_without_the_right_it_says_so():
    """An ordinary user is told the limit and how to raise it, with status 2 and no traceback."""
    done = run(f"""
from pathlib import Path
sys.argv = ["realtime_like_lock.py"]
source = Path({str(EXAMPLE)!r}).read_text()  # before the rights to read it are gone
become_ordinary(1 << 20)
exec(compile(source, "realtime_like_lock.py", "exec"), {{"__name__": "__main__"}})
""")
    assert done.returncode == 2, done.stderr
    assert "RLIMIT_MEMLOCK" in done.stdout
    assert not done.stderr
