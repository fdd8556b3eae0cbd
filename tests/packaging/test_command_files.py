"""The manual page and the completions that the wheel brings are those of the command as it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from securemem.cli import _SUBCOMMANDS
from tests.support import ROOT

SHARE = Path(ROOT, "share")
FILES = sorted(str(path.relative_to(SHARE)) for path in SHARE.rglob("*") if path.is_file())


def test_they_are_what_the_script_writes(tmp_path):
    """A command or an option that was added is in all of them: run scripts/command_files where this fails."""
    pytest.importorskip("shtab", reason="completions are made by shtab: install the extra `lint`")
    pytest.importorskip("argparse_manpage", reason="the page is made by argparse-manpage: install the extra `lint`")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("argparse words its help in another way on each Python: the files are those of 3.11")
    subprocess.run([sys.executable, ROOT / "scripts" / "command_files", tmp_path], check=True, cwd=ROOT)
    made = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {name: Path(SHARE, name).read_text() for name in FILES}, "run scripts/command_files"


@pytest.mark.parametrize("name", FILES)
def test_every_command_is_there(name):
    """Each subcommand is named in each file; one that does not exist is in none."""
    words = set(re.findall(r"[a-z]+", Path(SHARE, name).read_text()))
    assert words.issuperset(_SUBCOMMANDS)
    assert "defenestrate" not in words


def test_bash_completes(tmp_path):
    """Bash, with the file sourced, completes the beginning of a subcommand and of an option."""
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    program = """
        source "$1"
        complete_it() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_securemem; echo "${COMPREPLY[*]}"; }
        complete_it securemem doc
        complete_it securemem doctor --js
    """
    source = Path(SHARE, "bash-completion", "completions", "securemem")
    told = subprocess.run(
        ["bash", "-c", program, "bash", source], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert told.stdout.split() == ["doctor", "--json"]


def test_the_page_is_a_manual_page():
    """It has the sections that man and whatis read, and groff finds nothing wrong with it."""
    page = Path(SHARE, "man", "man1", "securemem.1")
    assert re.match(r'\.TH SECUREMEM "1".*\n\.SH NAME\nsecuremem \\- \w', page.read_text())
    if not shutil.which("groff"):
        return
    told = subprocess.run(["groff", "-man", "-Tutf8", "-ww", page], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
