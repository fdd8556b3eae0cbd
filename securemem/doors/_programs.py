"""Secrets as files that are only in memory, for what takes a path, and for other programs."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from securemem._binding import doors as binding
from securemem._binding.operations import operate
from securemem.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from typing_extensions import Buffer

    from securemem._types import MemoryFile, Scope
else:
    MemoryFile = binding.MemoryFile

__all__ = ["MemoryFile", "as_file", "run"]

_DEPTH = 64 * 1024


def as_file(secret: Buffer) -> MemoryFile:
    """Make a file that is only in memory and holds a secret, for what takes a path: a context manager.

    The MemoryFile is a path (os.fspath, open, ssl's load_cert_chain), and has fileno(). The path is under
    /proc/self/fd: this process opens it, and a child that is given the descriptor by subprocess's pass_fds. Its pages
    are locked into RAM, left out of core dumps, and sealed: nobody opens it for writing or changes its length. At the
    end of the with statement, at close(), or when the object is dropped, it is wiped, also for those who have it open,
    and closed. What reads the file has a copy of its own then.

    Raises EmptyInputError, LockLimitError and LockError where it cannot be locked, and TransferError where the kernel
    has no such files. A child of a fork without exec has the descriptor too. Sources: memfd_create(2), fcntl(2).
    """
    return binding.memory_file(secret)


def _run(
    scope: Scope,  # noqa: ARG001 - operate's work gets one
    args: Sequence[str | os.PathLike[str]],
    stdin: Buffer | None,
    secret_files: Mapping[str, Buffer],
    options: dict[str, Any],
) -> subprocess.CompletedProcess[Any]:
    files = {name: binding.memory_file(secret) for name, secret in secret_files.items()}
    paths = {name: os.fspath(file) for name, file in files.items()}
    options["pass_fds"] = (*options.get("pass_fds", ()), *(file.fileno() for file in files.values()))
    if paths:
        options["env"] = {**(os.environ if options.get("env") is None else options["env"]), **paths}
    with_input = None if stdin is None else binding.memory_file(stdin)
    if with_input is not None:
        options["stdin"] = with_input.fileno()
    try:
        return subprocess.run(args, **options)  # noqa: S603, PLW1510 - the caller's program; check is among the options
    finally:
        for file in (*files.values(), *filter(None, [with_input])):
            file.close()


def run(
    args: Sequence[str | os.PathLike[str]],
    *,
    stdin: Buffer | None = None,
    secret_files: Mapping[str, Buffer] | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Iterable[int] = (),
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a program and give it secrets, as subprocess.run does, and return what that returns.

    stdin: what the program reads as its standard input, from a file in memory. secret_files: for each name of an
    environment variable a secret; the program finds in the variable the path of a file in memory, readable by its
    owner only, as PGPASSFILE or a _FILE variable wants it. No secret is an argument or the text of a variable. env,
    pass_fds and the other options are subprocess.run's. When the program has ended, the files are wiped. Its output,
    if it is captured, lies in ordinary memory.

    Raises what subprocess.run raises, what as_file raises, and InvalidArgumentError for a secret among the arguments.
    """
    for word in [args] if isinstance(args, str) else args:
        if not isinstance(word, str | bytes | os.PathLike):
            raise InvalidArgumentError(
                "an argument is neither text nor a path: other users see arguments (/proc/PID/cmdline); give a secret "
                "by stdin= or secret_files="
            )
    if not args:
        raise InvalidArgumentError("args must name a program, as subprocess.run takes it")
    if env is not None and not hasattr(env, "items"):
        raise TypeError(f"env must be a mapping of names to values, or None, not {type(env).__name__}")
    chosen = {**options, "env": env, "pass_fds": tuple(pass_fds)}
    return operate(_DEPTH, _run, args, stdin, dict(secret_files or {}), chosen)
