"""Interrupts all operations of the table, or those whose name has a part, each in a process of its own.

    python -m tests.interruption.everything [--all] [--seed N] [--visits N] [--only KIND] [NAME-PART]

prints a line for each, with how many attempts were made, and what is wrong; ends with the number of operations with
problems, at most 100.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.interruption.operations import OPERATIONS
from tests.support.interruption_runs import report


def main() -> int:
    """Read the command line, drive, report."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="every step, and not a sample")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--visits", default="4", help="how often one bytecode is interrupted, with --all")
    parser.add_argument("--only", default="", help="what goes wrong, such as KeyboardInterrupt")
    parser.add_argument("part", nargs="?", default="", metavar="NAME-PART")
    words = parser.parse_args()
    failed = attempts = 0
    for operation in OPERATIONS:
        if words.part.lower() not in operation.name.lower():
            continue
        began = time.monotonic()
        options = [
            "--seed",
            words.seed,
            "--visits",
            words.visits,
            "--only",
            words.only,
            *(["--all"] if words.all else []),
        ]
        found = report(operation.name, *options, timeout=7200)
        attempts += found["attempts"]
        failed += bool(found["problems"])
        took = time.monotonic() - began
        print(f"{operation.name}: {found['attempts']} attempts in {took:.0f} s, {len(found['problems'])} problems")
        for problem in found["problems"]:
            print(f"    {problem}")
        sys.stdout.flush()
    print(f"{attempts} attempts, {failed} operations with problems")
    return min(failed, 100)


if __name__ == "__main__":
    sys.exit(main())
