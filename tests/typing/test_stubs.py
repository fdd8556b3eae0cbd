"""The stub of the compiled types says what is there: mypy's stubtest compares the two."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import securemem
from tests.support import ROOT

PACKAGE = Path(securemem.__file__).parent
ALLOWED = ROOT / "tests" / "typing" / "stubtest.txt"


def stubtest(folder, *options):
    """What stubtest says of securemem._types, run in an empty folder: what lies in the present one shadows modules."""
    pytest.importorskip("mypy", reason="type checking needs the extra `lint`")
    command = [sys.executable, "-m", "mypy.stubtest", "securemem._types", *options]
    environment = {**os.environ}
    if PACKAGE.parent.name != "site-packages":
        # A stub is looked for in MYPYPATH; an editable install's hook is no place where mypy looks. What is installed
        # is found without, and refused there.
        environment |= {"MYPYPATH": str(PACKAGE.parent), "PYTHONPATH": str(PACKAGE.parent)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)


def test_the_stub_is_true(tmp_path):
    """Every name, signature and type in the stub is so at run time, and nothing is missing from it."""
    done = stubtest(tmp_path, "--allowlist", str(ALLOWED))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_stub_is_found(tmp_path):
    """Positive control: without the allowances, the two that this Python cannot show are reported."""
    if sys.version_info >= (3, 12):
        pytest.skip("from Python 3.12 on `__buffer__` shows")
    done = stubtest(tmp_path)
    assert done.returncode == 1
    assert "SecureBytes.__buffer__ is not present at runtime" in done.stdout
