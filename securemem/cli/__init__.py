"""The `securemem` command.

Each subcommand is a module of this package with `add_parser(subparsers)`, which sets the default `run` to a function
from the parsed arguments to the exit status.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from securemem.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_SUBCOMMANDS = ("doctor", "demo", "run")
_INTERRUPTED = 130  # as a shell reports SIGINT


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser. Where a subcommand is named first, only its module is imported: the others' cost time."""
    parser = argparse.ArgumentParser(prog="securemem", description="Secrets in locked, wiped-on-release memory.")
    parser.add_argument("--version", action="version", version=f"securemem {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    named = arguments[0] if arguments else ""
    for name in (named,) if named in _SUBCOMMANDS else _SUBCOMMANDS:
        import_module(f"securemem.cli._{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default those of the process; its exit status.

    A wrong usage prints how it is meant and raises SystemExit(2), as argparse does.
    """
    given = sys.argv[1:] if argv is None else argv
    arguments = _parser(given).parse_args(given)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has gone, `securemem ... | head`: nothing more can be told, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status
