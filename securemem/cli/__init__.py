"""The `securemem` command.

Each subcommand is a module of this package with `add_parser(subparsers)`, which sets the default `run` to a function
from the parsed arguments to the exit status, and the default `wrong_usage` to its parser's `error`.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from securemem.cli._output import complain, flush, give_up_output, printable
from securemem.exceptions import SecureMemError
from securemem.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import SupportsWrite

__all__ = ["main"]

_SUBCOMMANDS = ("doctor", "demo", "run", "spec", "conformance", "scan", "evidence", "store")
_CANNOT = 2  # as for a wrong usage: nothing is told of what was asked
_INTERRUPTED = 130  # as a shell reports SIGINT
_READER_GONE = 141  # as a shell reports SIGPIPE


class _Parser(argparse.ArgumentParser):
    """A parser whose messages hold no control character that the arguments brought, and are not lost in silence."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if message and file is not None:  # None: the stream is closed
            file.write(message)

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser. Where a subcommand is named first, only its module is imported: the others' cost time."""
    parser = _Parser(prog="securemem", description="Secrets in locked, wiped-on-release memory.")
    parser.add_argument("--version", action="version", version=f"securemem {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    named = arguments[0] if arguments else ""
    wanted: tuple[str, ...] = _SUBCOMMANDS
    if named in _SUBCOMMANDS or named == "--version":
        wanted = tuple(name for name in _SUBCOMMANDS if name == named)
    for name in wanted:
        import_module(f"securemem.cli._{name}").add_parser(subparsers)
    return parser


def _perform(given: Sequence[str]) -> int:
    try:
        arguments, unknown = _parser(given).parse_known_args(given)
        if unknown:  # told by the subcommand, whose usage is the one to show
            arguments.wrong_usage(f"unrecognized arguments: {' '.join(unknown)}")
        status: int = arguments.run(arguments)
    except SystemExit:
        flush()  # --help and --version end this way
        raise
    flush()
    return status


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default those of the process; its exit status.

    That is the subcommand's own; 2 where it could not be done or its output could not be written, 130 after an
    interruption, 141 where the reader of the output has gone. A wrong usage prints how it is meant and raises
    SystemExit(2), as argparse does.
    """
    try:
        return _perform(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        give_up_output(sys.stdout)
        return _READER_GONE
    except (OSError, SecureMemError) as error:
        complain(f"securemem: {error}")
        _end_output()
        return _CANNOT


def _end_output() -> None:
    """Make sure that Python finds nothing at its end that cannot be written."""
    try:
        flush()
    except OSError:
        give_up_output(sys.stdout)
