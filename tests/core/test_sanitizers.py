"""The core's C programs, plain and under every sanitizer: 0 reports; and controls in which each finds one.

threads.c uses the core from eight threads at once, with purges and forks under way; the fuzzing model
(tests/fuzz/fuzz_model.c) foretells every answer of a single thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.core_builds import build_apart

HERE = Path(__file__).resolve().parent
PROGRAMS = {
    "threads": [HERE / "threads.c"],
    "model": [ROOT / "tests/fuzz/drive_arena.c", ROOT / "tests/fuzz/fuzz_model.c"],
}
FOUND = 99  # the status of a program in which a sanitizer found something
ENVIRONMENT = {
    "ASAN_OPTIONS": f"exitcode={FOUND}",
    "LSAN_OPTIONS": f"exitcode={FOUND}",
    "UBSAN_OPTIONS": f"exitcode={FOUND}",
    "TSAN_OPTIONS": f"exitcode={FOUND}:die_after_fork=0",
}
DEBUG = ["-O1", "-g", "-fno-omit-frame-pointer"]
FLAGS = {
    "address": [*DEBUG, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    "thread": [*DEBUG, "-fsanitize=thread"],
    "none": DEBUG,
}
# The tests of the Python side that cannot hold there: AddressSanitizer makes mlock do nothing.
UNLOCKED = ("protection", "locked", "default_arena_is_used", "open_arena_stays_open", "statistics_follow")
SECONDS = 120


def run(*command, **environment):
    """Run a program to its end, with the sanitizers' options; status and what it said."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    return done.returncode, done.stdout + done.stderr


def must_be_clean(status, said):
    """Nothing was reported, and the program came to its end."""
    assert status == 0, said
    assert "WARNING" not in said, said
    assert "ERROR" not in said, said


@pytest.fixture(params=["gcc", "clang"])
def compiled(request, tool, compile_program):
    """Compiles a program with a sanitizer, by each compiler."""
    compiler = tool(request.param)

    def compile_with(sanitizer, name, sources):
        named = f"{name}_{sanitizer}_{request.param}"
        return compile_program(named, sources, compiler=compiler, flags=FLAGS[sanitizer])

    return compile_with


@pytest.mark.parametrize(
    ("sanitizer", "program", "arguments"),
    [
        ("address", "threads", ["3000"]),
        ("address", "model", ["3", "11"]),
        ("address", "threads", ["2000", "inherit"]),
        ("thread", "threads", ["2000"]),
        ("thread", "threads", ["2000", "inherit"]),
        ("none", "threads", ["20000"]),
        ("none", "threads", ["10000", "inherit"]),
        ("none", "model", ["2", "12"]),
    ],
)
def test_program(compiled, sanitizer, program, arguments):
    """The program ends as it should, and the sanitizer reports nothing."""
    must_be_clean(*run(compiled(sanitizer, program, PROGRAMS[program]), *arguments))


@pytest.mark.parametrize(
    ("sanitizer", "control", "report"),
    [
        ("address", "overflow", "heap-buffer-overflow"),
        ("address", "undefined", "signed integer overflow"),
        ("address", "leak", "LeakSanitizer"),
        ("thread", "race", "data race"),
    ],
)
def test_sanitizer_finds(compiled, sanitizer, control, report):
    """Positive control: the same sanitizer, by the same compiler and flags, finds what is planted."""
    status, said = run(compiled(sanitizer, control, [HERE / f"controls/{control}.c"]))
    assert status not in {0, -9}, said
    assert report in said


def memcheck(tool, program, *arguments):
    """Run a program under valgrind's memcheck, leaks included.

    Possible leaks are not counted: a forked child has the C library's blocks of threads that are not there.
    """
    options = ["--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"]
    return run(tool("valgrind"), *options, "--show-leak-kinds=definite", "--quiet", program, *arguments)


@pytest.mark.parametrize(("program", "arguments"), [("threads", ["100"]), ("model", ["4", "13"])])
def test_memcheck(tool, compile_program, program, arguments):
    """Memcheck finds no bad access, no use of what was never set, and no leak."""
    made = compile_program(f"{program}_memcheck", PROGRAMS[program], compiler=tool("gcc"), flags=FLAGS["none"])
    status, said = memcheck(tool, made, *arguments)
    assert status == 0, said
    assert "Invalid" not in said, said


@pytest.mark.parametrize(("control", "report"), [("overflow", "Invalid read"), ("leak", "definitely lost")])
def test_memcheck_finds(tool, compile_program, control, report):
    """Positive control: memcheck finds what is planted."""
    sources = [HERE / f"controls/{control}.c"]
    made = compile_program(f"{control}_memcheck", sources, compiler=tool("gcc"), flags=FLAGS["none"])
    status, said = memcheck(tool, made)
    assert status == FOUND
    assert report in said


def test_python_side(tool, tmp_path):
    """The tests of SecureBytes and arenas pass over a module built with AddressSanitizer and UBSan."""
    gcc = tool("gcc")
    libraries = [
        subprocess.run([gcc, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    compiled = build_apart("sanitized", tmp_path)
    status, said = run(
        *(sys.executable, "-m", "pytest", "-q", "-p", "tests.support.substitute_core", "-p", "no:cacheprovider"),
        *(f"--rootdir={ROOT}", "-k", " and ".join(f"not {name}" for name in UNLOCKED)),
        *(ROOT / f"tests/unit/test_{name}.py" for name in ("secure_bytes", "secure_bytes_making", "arenas")),
        SUBSTITUTE_CORE=str(compiled),
        LD_PRELOAD=" ".join(libraries),
        ASAN_OPTIONS=f"exitcode={FOUND}:detect_leaks=0",  # the interpreter keeps what it made to its end
    )
    assert status == 0, said[-4000:]
    assert "runtime error" not in said
    assert int(said.rpartition(" passed")[0].split()[-1]) > 200, said[-500:]
