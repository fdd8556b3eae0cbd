"""The project's targets, measured: `python -m tests.bench.ratios`; --help tells the options.

Prints each target with its ratio, and ends with 1 if one is missed or, without --allow-missing, not measured.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

import tests.bench
from tests.bench.measures import Measure, NotMeasuredError


def every_measure() -> list[tuple[str, Measure]]:
    """The measures of all modules of this folder that have MEASURES, with the module's name before each."""
    found: list[tuple[str, Measure]] = []
    for module in pkgutil.iter_modules(tests.bench.__path__):
        if module.name.startswith("test_") or module.name == "ratios":
            continue
        measures = getattr(importlib.import_module(f"tests.bench.{module.name}"), "MEASURES", ())
        found += [(module.name, measure) for measure in measures]
    return found


def report(measure: Measure, rounds: int, attempts: int) -> bool | None:
    """Measure, print a line; whether the target was hit, None if it could not be measured.

    Other work on the machine only ever makes a ratio worse, so a miss is measured again before it counts; the detail
    tells how often.
    """
    for attempt in range(1, attempts + 1):
        try:
            outcome = measure.measure(rounds)
        except NotMeasuredError as missing:
            print(f"{'----':4}  {'':>11}  {'':16}  {measure.name}\n{'':37}not measured: {missing}", flush=True)
            return None
        again = f"; attempt {attempt} of {attempts}" if attempt > 1 else ""
        hit = measure.hit(outcome)
        if hit:
            break
    word = "hit" if hit else "MISS"
    bound = "no target" if measure.bound is None else f"{measure.direction} {measure.bound:,.7g}"
    value = f"{outcome.value:,.0f}" if outcome.value >= 1000 else f"{outcome.value:.2f}"
    shown = "" if measure.bound is None else word
    print(f"{shown:4}  {value:>11}  {bound:16}  {measure.name}\n{'':37}{outcome.detail}{again}", flush=True)
    return hit


def main() -> int:
    """Run the measures asked for; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ratios", description=__doc__)
    parser.add_argument("--only", metavar="NAME", default="", help="those whose module or name contains NAME")
    parser.add_argument("--rounds", type=int, default=45, help="timings of each side, in turn (default: 45)")
    parser.add_argument("--attempts", type=int, default=3, help="how often a miss is measured (default: 3)")
    parser.add_argument("--allow-missing", action="store_true", help="succeed though a peer is not installed")
    options = parser.parse_args()
    if options.rounds < 1 or options.attempts < 1:
        parser.error("--rounds and --attempts take 1 or more")
    chosen = [m for module, m in every_measure() if options.only.lower() in f"{module} {m.name}".lower()]
    if not chosen:
        parser.error(f"no measure's name contains {options.only!r}")
    outcomes = [report(measure, options.rounds, options.attempts) for measure in chosen]
    missed, missing = outcomes.count(False), outcomes.count(None)
    print(f"{len(outcomes)} measures, {missed} missed, {missing} not measured")
    return int(missed > 0 or (missing > 0 and not options.allow_missing))


if __name__ == "__main__":
    sys.exit(main())
