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

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
THREADS = [HERE / "threads.c"]
MODEL = [ROOT / "tests/fuzz/drive_arena.c", ROOT / "tests/fuzz/fuzz_model.c"]
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


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize(
    ("sanitizer", "name", "sources", "arguments"),
    [
        ("address", "threads", THREADS, ["3000"]),
        ("address", "model", MODEL, ["3", "11"]),
        ("thread", "threads", THREADS, ["2000"]),
        ("none", "threads", THREADS, ["20000"]),
        ("none", "model", MODEL, ["2", "12"]),
    ],
)
def test_program(tool, compile_program, compiler, sanitizer, name, sources, arguments):
    """The program ends as it should, and the sanitizer reports nothing."""
    program = compile_program(
        f"{name}_{sanitizer}_{compiler}", sources, compiler=tool(compiler), flags=FLAGS[sanitizer]
    )
    must_be_clean(*run(program, *arguments))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize(
    ("sanitizer", "control", "report"),
    [
        ("address", "overflow", "heap-buffer-overflow"),
        ("address", "undefined", "signed integer overflow"),
        ("address", "leak", "LeakSanitizer"),
        ("thread", "race", "data race"),
    ],
)
def test_sanitizer_finds(tool, compile_program, compiler, sanitizer, control, report):
    """Positive control: the same sanitizer, by the same compiler and flags, finds what is planted."""
    name = f"{control}_{compiler}"
    program = compile_program(
        name, [HERE / f"controls/{control}.c"], compiler=tool(compiler), flags=FLAGS[sanitizer]
    )
    status, said = run(program)
    assert status not in {0, -9}, said
    assert report in said


def memcheck(tool, program, *arguments):
    """Run a program under valgrind's memcheck, leaks included.

    Possible leaks are not counted: a forked child has the C library's blocks of threads that are not there.
    """
    options = ["--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite"]
    return run(tool("valgrind"), *options, "--show-leak-kinds=definite", "--quiet", program, *arguments)


@pytest.mark.parametrize(
    ("name", "sources", "arguments"), [("threads", THREADS, ["100"]), ("model", MODEL, ["4", "13"])]
)
def test_memcheck(tool, compile_program, name, sources, arguments):
    """valgrind finds no bad access, no use of what was never set, and no leak."""
    program = compile_program(f"{name}_none_gcc", sources, compiler=tool("gcc"), flags=FLAGS["none"])
    status, said = memcheck(tool, program, *arguments)
    assert status == 0, said
    assert "Invalid" not in said, said


@pytest.mark.parametrize(("control", "report"), [("overflow", "Invalid read"), ("leak", "definitely lost")])
def test_memcheck_finds(tool, compile_program, control, report):
    """Positive control: memcheck finds what is planted."""
    program = compile_program(
        f"{control}_memcheck", [HERE / f"controls/{control}.c"], compiler=tool("gcc"), flags=FLAGS["none"]
    )
    status, said = memcheck(tool, program)
    assert status == FOUND
    assert report in said


def test_python_side(tool, tmp_path):
    """The tests of SecureBytes and arenas pass over a module built with AddressSanitizer and UBSan."""
    gcc = tool("gcc")
    libraries = [
        subprocess.run([gcc, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    compiled = run(sys.executable, HERE / "compile_module.py", "sanitized", tmp_path)
    assert compiled[0] == 0, compiled[1]
    status, said = run(
        *(sys.executable, "-m", "pytest", "-q", "-p", "substitute_core", "-p", "no:cacheprovider"),
        *(f"--rootdir={ROOT}", "-k", " and ".join(f"not {name}" for name in UNLOCKED)),
        *(ROOT / "tests/unit/test_secure_bytes.py", ROOT / "tests/unit/test_arenas.py"),
        SUBSTITUTE_CORE=compiled[1].splitlines()[-1],
        PYTHONPATH=str(HERE),
        LD_PRELOAD=" ".join(libraries),
        ASAN_OPTIONS=f"exitcode={FOUND}:detect_leaks=0",  # the interpreter keeps what it made to its end
    )
    assert status == 0, said[-4000:]
    assert "runtime error" not in said
    assert int(said.rpartition(" passed")[0].split()[-1]) > 200, said[-500:]
