"""The example of rotation runs and does what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "rotate_keys.py"


def run(directory, passphrase):
    """The example's exit status, output and errors."""
    return subprocess.run(
        [sys.executable, EXAMPLE, directory], input=passphrase, capture_output=True, text=True, check=False, timeout=120
    )


def test_rotate_keys(tmp_path):
    """Every record is read before and after, moved once, and the old version is destroyed."""
    done = run(tmp_path / "records", "correct horse\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "old records read: 10" in done.stdout
    assert "a wrong passphrase was refused" in done.stdout
    assert "rewrapped: 10, and again: 0" in done.stdout
    assert "versions 1 destroyed, 2 primary" in done.stdout
    assert "read:      record 0, record 1" in done.stdout
    assert len(list((tmp_path / "records").iterdir())) == 10


def test_no_passphrase(tmp_path):
    """An empty standard input is told, and nothing is written."""
    done = run(tmp_path / "records", "")
    assert done.returncode == 1
    assert "no passphrase" in done.stderr
