"""A short run of each fuzzing engine, and the proof that the model sees a core that is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUGS = {
    "contents": ("secret.c", "sm_wipe(slot->data, slot->length);", ""),  # a new secret finds the old one's bytes
    "counts": ("secret.c", "slot->slab->arena->counts.live_secrets--;", ""),
    "state": ("secret.c", "slot->state = SM_SLOT_DOOMED;", ""),
}


@pytest.mark.parametrize(
    ("engine", "compiler", "at_least"), [("libfuzzer", "clang", 50_000), ("random", "gcc", 200_000)]
)
def test_core_and_model_agree(engine, compiler, at_least):
    """Some seconds of operations find nothing; run.py is for longer."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed on this machine")
    command = [sys.executable, str(HERE / "run.py"), "--engine", engine, "--seconds", "5", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > at_least, done.stdout


@pytest.mark.parametrize("bug", BUGS)
def test_model_sees_a_wrong_core(tmp_path, bug):
    """Positive control: with one line of the core taken away, the same program ends with a difference."""
    for part in ("cffi_build", "tests/fuzz"):
        shutil.copytree(ROOT / part, tmp_path / part)
    name, line, instead = BUGS[bug]
    source = tmp_path / "cffi_build/core" / name
    text = source.read_text()
    assert line in text
    source.write_text(text.replace(line, instead))
    command = [
        sys.executable,
        str(tmp_path / "tests/fuzz/run.py"),
        "--engine",
        "random",
        "--seconds",
        "5",
        "--seed",
        "7",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "differ" in done.stderr or "securemem: fatal" in done.stderr, done.stderr
