"""What type checkers say of the public names: right uses pass, wrong ones are found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import securemem
from tests.support import ROOT
from tests.support.type_checks import check

RIGHT = """
from securemem import Arena, SecureBytes, statistics
key: SecureBytes = SecureBytes.random(32, arena=Arena(at_rest="readwrite"))
part: SecureBytes = key[:16]
with key.reveal(writable=True) as view:
    view[0] = 1
with SecureBytes.take(bytearray(4)) as secret:
    same: bool = secret == b"abcd"
with memoryview(key) as raw:
    length: int = raw.nbytes
locked: bool = key.protection.locked
live: int = statistics().live_secrets
"""
WRONG = """
from securemem import Arena, SecureBytes
SecureBytes.zeros("32")
SecureBytes.zeros(32)[0]
SecureBytes.copy_of("text")
Arena(at_rest="ajar")
SecureBytes()
hash(SecureBytes.zeros(1))
"""


def test_right_uses_pass(tmp_path):
    """The public names are typed, and their ordinary use has no errors."""
    done = check(tmp_path, RIGHT)
    assert done.returncode == 0, done.stdout


def test_wrong_uses_are_found(tmp_path):
    """Positive control: what raises at run time is an error to the checker too."""
    found = {line.split(":")[1] for line in check(tmp_path, WRONG).stdout.splitlines() if ": error:" in line}
    assert {"3", "4", "5", "6"} <= found


def test_the_examples_type_check():
    """The programs in examples/ are typed as strictly as the package."""
    pytest.importorskip("mypy", reason="type checking needs the extra `lint`")
    home = Path(securemem.__file__).parents[1]
    where = {} if home.name == "site-packages" else {"MYPYPATH": str(home)}
    sources = sorted(map(str, (ROOT / "examples").glob("*.py")))
    settings = f"--config-file={ROOT / 'pyproject.toml'}"  # they name the libraries that have no types
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        "--follow-imports=silent",
        settings,
        *sources,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **where})
    assert len(sources) >= 6
    assert done.returncode == 0, done.stdout
