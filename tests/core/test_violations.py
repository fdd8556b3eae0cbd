"""One rule of the core broken per program: how each ends, and what it says.

Each program is violations/NAME.c, compiled with the core's own files and hardening flags.
"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).resolve().parent / "violations"
EDGE = ": a write ran past the edge of a secret"
ENDS = {
    "canary": (signal.SIGABRT, "canary overwritten" + EDGE),
    "slack": (signal.SIGABRT, "slack overwritten" + EDGE),
    "slack_large": (signal.SIGABRT, "slack overwritten" + EDGE),
    "free_slot": (signal.SIGABRT, "free slot overwritten: a write went where no secret was"),
    "free_canary": (signal.SIGABRT, "free slot overwritten: a write went where no secret was"),
    "free_large": (signal.SIGABRT, "free slot overwritten: a write went where no secret was"),
    "double_return": (signal.SIGABRT, "a secret was returned twice"),
    "return_viewed": (signal.SIGABRT, "a secret was returned while a view of it is open"),
    "foreign": (signal.SIGABRT, "a pointer that is no secret was passed in"),
    "inside": (signal.SIGABRT, "a pointer that is no secret was passed in"),
    "double_close": (signal.SIGABRT, "a view was closed that is not open"),
    "wrong_close": (signal.SIGABRT, "a view was closed that is not open"),
    "wipe_returned": (signal.SIGABRT, "a secret was wiped after its return"),
    "overrun": (signal.SIGSEGV, None),
    "underrun": (signal.SIGSEGV, None),
    "frozen": (signal.SIGSEGV, None),
    "closed": (signal.SIGSEGV, None),
    "shut": (signal.SIGSEGV, None),
    "stale_view": (signal.SIGSEGV, None),
}


def end_of(compile_program, name):
    """Status and standard error of a program."""
    program = compile_program(f"violation_{name}", [PROGRAMS / f"{name}.c"])
    # prlimit: a program that dies on purpose shall leave no core file behind.
    done = subprocess.run(
        ["prlimit", "--core=0", str(program)], capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", ENDS)
def test_violation(compile_program, name):
    """The process ends by the signal, and a violation that the core finds itself is named."""
    ending, message = ENDS[name]
    expected = "" if message is None else f"securemem: fatal: {message}\n"
    assert end_of(compile_program, name) == (-ending, expected)


def test_use_after_purge(compile_program):
    """A purged secret answers SM_WIPED: an answer like another, and no crash."""
    assert end_of(compile_program, "after_purge") == (3, "")


@pytest.mark.parametrize("name", ["control", "empty_page"])
def test_no_violation(compile_program, name):
    """Positive control: the same steps, as they are allowed, end with 0 and nothing said."""
    assert end_of(compile_program, name) == (0, "")


def test_every_program_is_run():
    """No program lies there that nobody runs."""
    assert {path.stem for path in PROGRAMS.glob("*.c")} == {*ENDS, "after_purge", "control", "empty_page"}
