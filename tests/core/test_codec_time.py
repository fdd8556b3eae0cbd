"""The codec's time depends on the length alone: memcheck sees no branch and no address that the bytes decide."""

from __future__ import annotations

import subprocess

import pytest

from tests.support import ROOT

SOURCE = ROOT / "tests/core/codec_undefined.c"
FOUND = 99
UNDEFINED = ("depends on uninitialised", "Use of uninitialised")


@pytest.fixture(scope="module", params=["gcc", "clang"])
def under_memcheck(request, tool, compile_program, hardening):
    """Runs the program, compiled with the wheel's flags by each compiler, under memcheck."""
    valgrind, compiler = tool("valgrind"), tool(request.param)
    flags = [flag for flag in hardening if "fcf-protection" not in flag]
    program = compile_program(f"codec_{request.param}", [SOURCE], compiler=compiler, flags=[*flags, "-gdwarf-4"])

    def run(*arguments):
        command = [valgrind, "--quiet", f"--error-exitcode={FOUND}", "--track-origins=yes", str(program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        return done.returncode, done.stdout + done.stderr

    return run


def test_nothing_depends_on_the_bytes(under_memcheck):
    """All lengths to 69, both alphabets, with and without padding."""
    status, said = under_memcheck()
    assert said == "0 failures\n"
    assert status == 0


@pytest.mark.parametrize("control", ["table", "branch"])
def test_memcheck_finds_a_dependence(under_memcheck, control):
    """Positive control: a look-up in a table and a stop at the first match are both found."""
    status, said = under_memcheck(control)
    assert status == FOUND
    assert any(text in said for text in UNDEFINED)
