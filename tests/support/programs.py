"""The one way to start a child program: this interpreter, the checkout to import from, warnings as errors.

A child program is source text, or a module of `tests` (`run_module`) where it is more than a few lines: a module is
linted and typed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# What a child program must not say: a warning is an error, but for Python's own about forks beside threads.
WARNINGS = ("-W", "error", "-W", "ignore:This process:DeprecationWarning")


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of this process, with the checkout to import `tests` from, and more variables."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(more or {})}


def _begin(words: list[str], more: Mapping[str, str] | None, options: dict[str, Any]) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen([sys.executable, *WARNINGS, *words], text=True, env=environment(more), **pipes)


def start(
    source: str, *arguments: object, environment: Mapping[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """Start a program whose source is given, with more environment; options are Popen's."""
    return _begin(["-c", textwrap.dedent(source), *map(str, arguments)], environment, options)


def run(
    source: str,
    *arguments: object,
    ends: int = 0,
    quiet: bool = True,
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> str:
    """Run a program, check its exit status and (quiet) that it said nothing on stderr; its output.

    ends: the exit status; the negative number of a signal. A program that hangs fails the test.
    """
    return _end(start(source, *arguments, environment=environment, **options), ends, timeout, quiet=quiet)


def run_module(
    module: str,
    *arguments: object,
    ends: int = 0,
    quiet: bool = True,
    timeout: float = 60,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> str:
    """Run a module of `tests` as a program; the rest is as `run` has it."""
    process = _begin(["-u", "-m", module, *map(str, arguments)], environment, options)
    return _end(process, ends, timeout, quiet=quiet)


def _end(process: subprocess.Popen[str], ends: int, timeout: float, *, quiet: bool) -> str:
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
