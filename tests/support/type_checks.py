"""What mypy says of a program that uses the installed package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import securemem

# The package itself is checked elsewhere, with the settings of its pyproject.toml.
STRICTLY = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file=", "--follow-imports=silent"]


def check(tmp_path: Path, program: str) -> subprocess.CompletedProcess[str]:
    """What mypy --strict says of a program against the installed package."""
    pytest.importorskip("mypy", reason="type checking needs the extra `lint`")
    source = Path(tmp_path, "program.py")
    source.write_text(program)
    command = [*STRICTLY, str(source)]
    home = Path(securemem.__file__).parents[1]  # an editable install's hook is no place where mypy looks
    where = {} if home.name == "site-packages" else {"MYPYPATH": str(home)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, **where}
    )
