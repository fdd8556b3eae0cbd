"""An interpreter that is finalised and initialised again wipes at each of its ends."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.support import ROOT

SOURCE = Path(__file__).with_name("reinitialised.c")


def test_each_end_wipes(tmp_path):
    """A secret that nothing deallocated is there before each end, which is the control, and gone after it."""
    folder = sysconfig.get_config_var("LIBDIR")
    library = f"python{sysconfig.get_config_var('LDVERSION')}"
    if not list(Path(folder).glob(f"lib{library}.*")):
        pytest.skip(f"lib{library} is not installed: this Python cannot be embedded")
    program = tmp_path / "reinitialised"
    subprocess.run(
        [
            *("gcc", f"-I{sysconfig.get_path('include')}", str(SOURCE), "-o", str(program), f"-L{folder}"),
            *(f"-Wl,-rpath,{folder}", f"-l{library}", *sysconfig.get_config_var("LIBS").split(), "-lm", "-rdynamic"),
        ],
        check=True,
    )
    paths = [str(ROOT), *(path for path in sys.path if path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONHOME": sys.base_prefix}
    done = subprocess.run([program], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:3] == ["1 0"] * 3
