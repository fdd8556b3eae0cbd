"""For the benchmarks page: the project's own targets, what was measured, and why one is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.measures import NotMeasuredError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.bench.measures import Measure, Outcome

# These take minutes; `scripts/bench` measures them.
LONG = ("1,000,000", "100,000", "4 GiB", "20,000")

ATTEMPTS = 3

# By a part of the measure's name. What is said here was seen with strace and perf.
WHY = {
    "decrypt 64 B, noaccess, fresh SecureBytes": (
        "It makes four mprotects: the key's page there and back, the plaintext's shut, and the plaintext before "
        "opened for its wiping. Each taking away of access has the processor forget where pages lie, and what "
        "runs next is several times slower for it: more than the call itself. The measure with `four mprotects` "
        "in its name has cryptography's own decryption do the same beside it."
    ),
    "create+write+release 32 B, closed": (
        "It makes two mprotects, the fewest that shut a page and open it for wiping. By the perf profile, the "
        "rest is Python's and the core's code, slower after each shutting for the reason above."
    ),
    "read_file 1 MiB, noaccess": (
        "Beyond the reading it is mprotect there and back on 256 pages. A huge page would save that; but part of "
        "one cannot be locked for itself."
    ),
    "prompt, a paste": (
        "`prompt()` reads byte by byte, since what was typed ahead after the line belongs to whoever reads next. "
        "It is half a millisecond for the whole paste."
    ),
    "fork with 1,000 inherited": (
        "The child opens, locks, copies and shuts its pages before any of its Python code runs: each is a mapping "
        "of its own between guards, with four system calls. The process that forks here is small; a larger one "
        "copies more page tables in both cases."
    ),
}


def _measured(measure: Measure, rounds: int) -> tuple[Outcome, bool]:
    for _ in range(ATTEMPTS):
        outcome = measure.measure(rounds)
        if measure.hit(outcome):
            return outcome, True
    return outcome, False


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"


def section(measures: Iterable[Measure], rounds: int) -> tuple[list[str], dict[str, str]]:
    """The part of the page, and what could not be measured."""
    lines = [
        "## Targets",
        "",
        "What the project holds itself to: ratios to a peer, or counts. Each was measured once here.",
    ]
    lines += ["`scripts/bench` measures all of them, and those again that are missed, as other work on a machine makes"]
    lines += ["ratios worse.", "", "| measure | value | target | |", "|---|---|---|---|"]
    missing: dict[str, str] = {}
    missed: list[str] = []
    for measure in measures:
        if measure.bound is None or any(part in measure.name for part in LONG):
            continue
        try:
            outcome, hit = _measured(measure, rounds)
        except NotMeasuredError as reason:
            missing[measure.name] = str(reason)
            continue
        target = f"{measure.direction} {measure.bound:,.7g}"
        lines.append(f"| {measure.name} | {_shown(outcome.value)} | {target} | {'' if hit else 'missed'} |")
        print(lines[-1], flush=True)
        if not hit:
            missed.append(measure.name)
    lines.append("")
    for name in missed:
        lines += [f"- *{name}*: {why}" for part, why in WHY.items() if part in name]
    return [*lines, ""], missing
