"""The module over the faulty platform, compiled once per run into a temporary folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMPILE = Path(__file__).resolve().parents[1] / "core" / "compile_module.py"


@pytest.fixture(scope="session")
def faulty_core(tmp_path_factory):
    """Path of the shared object in which every verb of os.h fails on plan."""
    folder = tmp_path_factory.mktemp("faulty")
    made = subprocess.run(
        [sys.executable, str(COMPILE), "faulty", str(folder)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.splitlines()[-1])
