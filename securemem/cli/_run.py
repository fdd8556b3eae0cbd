"""`securemem run`: starts a Python program with allocators that wipe what is freed, in a process that is hardened.

Both take effect only in a new program image: the C library reads its settings when it starts, and exec makes a
process dumpable again. So this process is replaced by a new interpreter, which runs `_bootstrap.py`, which hardens and
then runs the program. There is no parent: signals, terminal, standard input and exit status are the program's own.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Literal

from securemem.cli import _bootstrap as bootstrap
from securemem.cli._output import complain, flush
from securemem.process._interpreter import c_library

_HEAP: dict[bool | None, Literal["auto", "require", "off"]] = {None: "auto", True: "require", False: "off"}
_CANNOT_START = 2  # as Python says for a script that it cannot open
# Freed blocks are filled with 85. The per-thread cache is passed by, since it keeps blocks as they were freed.
_TUNABLES = {"glibc.malloc.perturb": "85", "glibc.malloc.tcache_count": "0"}


def wiping_environment(environment: dict[str, str]) -> dict[str, str]:
    """The variables to set so that Python's and glibc's allocators wipe freed memory; other tunables are kept.

    None with another C library: Python would be slower by them, and nothing wiped.
    """
    if not c_library().startswith("glibc"):
        return {}
    kept = [
        setting
        for setting in environment.get("GLIBC_TUNABLES", "").split(":")
        if setting and setting.partition("=")[0] not in _TUNABLES
    ]
    ours = [f"{name}={value}" for name, value in _TUNABLES.items()]
    return {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": ":".join(kept + ours)}


def _console_script(name: str) -> str | None:
    """The file of an installed command of this Python: it is a Python program that imports and calls an entry point."""
    for scheme in (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")):
        path = Path(sysconfig.get_path("scripts", scheme), name)
        if path.is_file():
            return str(path)
    return None


def find_program(name: str) -> str:
    """The path of a program: a file or folder as named, else a command installed for this Python.

    Raises FileNotFoundError, with what to do, where it is neither.
    """
    if Path(name).exists():
        return name
    found = None if "/" in name else _console_script(name)
    if found is None:
        raise FileNotFoundError(
            f"{name} is neither a file nor a command in {sysconfig.get_path('scripts')}: give the path of a Python "
            f"program, or -m MODULE"
        )
    return found


def _interpreter_options() -> list[str]:
    """The options that this Python was started with, for the next one."""
    flags = vars(subprocess)["_args_from_interpreter_flags"]  # what multiprocessing starts its children with
    options: list[str] = flags()
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        options.append("-u")  # it is in no flag
    return options


def command(arguments: argparse.Namespace) -> list[str]:
    """The new interpreter's command line: its options, the bootstrap, the plan, and the program's own arguments.

    Raises FileNotFoundError for a program that is not there.
    """
    program, *rest = arguments.module or arguments.program
    plan = bootstrap.Plan(
        module=bool(arguments.module),
        target=program if arguments.module else find_program(program),
        restore={name: os.environ.get(name) for name in wiping_environment({})},
        strict=arguments.strict,
        lock_everything=arguments.lock_everything,
        crypto_heap=_HEAP[arguments.crypto_heap],
    )
    return [sys.executable, *_interpreter_options(), bootstrap.__file__, json.dumps(plan._asdict()), *rest]


def run(arguments: argparse.Namespace) -> int:
    """Replace this process by the program; returns, with a message, only where that cannot be done."""
    if arguments.program[:1] == ["--"]:
        del arguments.program[0]
    if not (arguments.module or arguments.program):
        arguments.wrong_usage("name a program: -m MODULE, SCRIPT or CONSOLE-SCRIPT")
    try:
        line = command(arguments)
        flush()
        os.execve(sys.executable, line, os.environ | wiping_environment(dict(os.environ)))  # noqa: S606 - its very job
    except (OSError, ValueError) as error:  # ValueError: a null byte in an argument
        complain(f"securemem run: cannot start: {error}")
        return _CANNOT_START


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `run` to the command."""
    parser = subparsers.add_parser(
        "run",
        help="run a Python program hardened, with freed memory wiped",
        usage="securemem run [--strict] [--lock-everything] [--[no-]crypto-heap] "
        "(-m MODULE | SCRIPT | CONSOLE-SCRIPT) [ARG ...]",
        description="Runs a Python program in a process that cannot be dumped or traced by its user, and whose freed "
        "memory is overwritten. The exit status is the program's own; 2 if it cannot be started. What could not be "
        "done is said on standard error.",
        allow_abbrev=False,
    )
    parser.add_argument("--strict", action="store_true", help="do not start the program if something cannot be done")
    parser.add_argument("--lock-everything", action="store_true", help="lock all memory of the process too (mlockall)")
    parser.add_argument(
        "--crypto-heap",
        action=argparse.BooleanOptionalAction,
        help="lock and wipe the memory of cryptography too (crypto_heap.enable); by default where it can be done and "
        "1 MiB or more may be locked",
    )
    parser.add_argument("-m", dest="module", nargs="...", metavar="MODULE", help="run a module, as python -m does")
    parser.add_argument(
        "program", nargs="...", metavar="PROGRAM", help="a script, a folder or zip with __main__.py, or a command"
    )
    parser.set_defaults(run=run, wrong_usage=parser.error)
