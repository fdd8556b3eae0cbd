"""README's programs: each runs by itself with warnings as errors, prints what it says, and type checks."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.programs import run
from tests.support.type_checks import check

TEXT = Path(ROOT, "README.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
NAMES = [next(line for line in program.splitlines() if "securemem" in line) for program in PROGRAMS]


def test_every_block_is_a_program_or_a_console():
    """No block is left out of the tests below: what is no Python is what a person types at a prompt."""
    kinds = re.findall(r"^```(\w+)$", TEXT, re.MULTILINE)
    assert kinds.count("python") == len(PROGRAMS) >= 5
    assert set(kinds) == {"python", "console"}
    for console in re.findall(r"^```console\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        assert all(line.startswith("$ ") for line in console.splitlines())


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_programs_run(program):
    """Each program ends well and says nothing on stderr."""
    run(program)


def test_the_proof_prints_what_it_says():
    """The first program counts one copy in ordinary memory, and none beside the locked one: the lines below it."""
    said = re.findall(r"^# (.*)\n", PROGRAMS[0], re.MULTILINE)
    assert run(PROGRAMS[0]).splitlines() == said
    assert said == ["bytearray(32) 1 unlocked, 0 locked", "SecureBytes.zeros(32) 0 unlocked, 1 locked"]


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_programs_type_check(tmp_path, program):
    """Mypy --strict has nothing to say of any of them."""
    done = check(tmp_path, program)
    assert done.returncode == 0, done.stdout


def test_commands_exist():
    """Each command of README's table is one of the command line."""
    commands = re.findall(r"^\| `securemem (\w+)", TEXT, re.MULTILINE)
    said = run("import sys, securemem.cli; sys.exit(securemem.cli.main(['--help']))")
    assert len(commands) >= 3
    assert all(name in said for name in commands), sys.executable


def test_the_tests_that_security_names_exist():
    """Each guarantee of SECURITY.md names a test, and that is there."""
    text = Path(ROOT, "SECURITY.md").read_text()
    guarantees = text[text.index("## Guarantees") : text.index("## What is not promised")].split("\n- ")[1:]
    assert len(guarantees) >= 12
    for guarantee in guarantees:
        named = re.findall(r"`(tests/[^`]+)`", guarantee)
        assert named, guarantee
        assert all(Path(ROOT, name).exists() for name in named), named
