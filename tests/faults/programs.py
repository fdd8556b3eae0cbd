"""Runs child programs with this interpreter and says how they ended; imported by the tests of this folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What a child program must not say: a warning is an error, but for Python's own about forks beside threads.
WARNINGS = ("-W", "error", "-W", "ignore:This process:DeprecationWarning")


def start(source: str, *, environment: dict[str, str] | None = None, **options) -> subprocess.Popen[str]:
    """Start a program whose source is given, with this folder's modules to import from, and more environment."""
    whole = (
        os.environ
        | (environment or {})
        | {"PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])}
    )
    command = [sys.executable, *WARNINGS, "-c", textwrap.dedent(source)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=whole, **options)


def run(source: str, *, ends: int = 0, quiet: bool = True, timeout: float = 60, **options) -> str:
    """Run a program, check its exit status and (quiet) that it said nothing on stderr; its output.

    ends: the exit status; the negative number of a signal. A program that hangs fails the test.
    """
    process = start(source, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"the program hangs; it said:\n{out}\n{err}") from None
    assert process.returncode == ends, f"ended with {_ending(process.returncode)}, not {_ending(ends)}:\n{out}\n{err}"
    if quiet:
        assert not err
    return out


def _ending(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
