"""C libraries that stand before the C library, by LD_PRELOAD."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT


def built(source: str, directory: Path) -> Path:
    """A library of one C file of tests/; the test is skipped where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("this machine has no C compiler")
    library = directory / f"{Path(source).stem}.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "-o", str(library), str(ROOT / "tests" / source), "-ldl"], check=True)
    return library
