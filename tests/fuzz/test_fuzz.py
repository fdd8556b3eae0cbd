"""A short run of each fuzzing engine, and the proof that the model sees a core that is wrong."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests.support import ROOT

BUGS = {
    "contents": ("slab.c", "sm_wipe(slot->data, slot->length);", ""),  # a new secret finds the old one's bytes
    "counts": ("secret.c", "slot->slab->arena->counts.live_secrets--;", ""),
    "state": ("secret.c", "slot->state = SM_SLOT_DOOMED;", ""),
}


def run(checkout, engine):
    """Five seconds of an engine over the core of a checkout."""
    command = [sys.executable, "-m", "tests.fuzz.run", "--engine", engine, "--seconds", "5", "--seed", "7"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("engine", "compiler", "at_least"), [("libfuzzer", "clang", 50_000), ("random", "gcc", 200_000)]
)
def test_core_and_model_agree(engine, compiler, at_least):
    """Some seconds of operations find nothing; run.py is for longer."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed on this machine")
    done = run(ROOT, engine)
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
    done = run(tmp_path, "random")
    assert done.returncode == 1
    assert "differ" in done.stderr or "securemem: fatal" in done.stderr, done.stderr
