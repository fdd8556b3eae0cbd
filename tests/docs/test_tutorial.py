"""The tutorial, done as it says: each program written to its file, each command typed, each output compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.programs import environment
from tests.support.type_checks import check

TUTORIALS = sorted(Path(ROOT, "docs", "tutorial").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def follow(text: str, folder: Path) -> int:
    """Do what the page says in a folder, command by command; how many commands that were."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = 0
    for kind, block in BLOCK.findall(text):
        if kind == "python":
            name = re.match(r"# (\w+\.py)\n", block)
            assert name, f"no file name in the first line:\n{block}"
            Path(folder, name[1]).write_text(block)
            continue
        assert kind == "console", kind
        for command, expected in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", block, re.MULTILINE):
            shell = ["bash", "-euc", command]
            told = subprocess.run(
                shell,
                cwd=folder,
                env=environment({"PATH": path}),
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
            assert told.returncode == 0, (command, told.stderr)
            assert not told.stderr, command
            assert told.stdout.strip() == expected.strip(), command
            done += 1
    return done


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_every_step_does_what_the_page_says(tmp_path, page):
    """The commands end well, and print what stands below them."""
    assert follow(page.read_text(), tmp_path) >= 3


def test_another_output_is_found(tmp_path):
    """Positive control: a page that claims something else of a command fails."""
    with pytest.raises(AssertionError, match="echo one"):
        follow("```console\n$ echo one\ntwo\n```\n", tmp_path)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_programs_type_check(tmp_path, page):
    """Mypy --strict has nothing to say of any program."""
    programs = [block for kind, block in BLOCK.findall(page.read_text()) if kind == "python"]
    assert programs
    for program in programs:
        done = check(tmp_path, program)
        assert done.returncode == 0, done.stdout
