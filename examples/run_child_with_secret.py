"""Run a program that needs a password, and let nobody else see it.

    python examples/run_child_with_secret.py VARIABLE COMMAND [ARGUMENT ...]

The password is asked for at the terminal, without echo, or read from standard input where there is no terminal. The
program finds it in a file that is only in memory; the environment variable VARIABLE has the path. PostgreSQL's
PGPASSFILE works this way, and many programs have a variable whose name ends in _FILE. The password is neither an
argument of the program nor text in its environment, and it is wiped when the program has ended.
"""

from __future__ import annotations

import sys

from securemem.doors import prompt, run


def main() -> int:
    """Ask, run, and give back the program's exit status."""
    variable, *command = sys.argv[1:]
    with prompt(f"Password for {command[0]}: ") as password:
        return run(command, secret_files={variable: password}).returncode


if __name__ == "__main__":
    sys.exit(main())
