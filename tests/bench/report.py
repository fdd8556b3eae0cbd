"""Writes the benchmarks page and its pictures: `scripts/bench --report`, or `python -m tests.bench.report`.

All contenders of a task are timed in turn, in every round, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import math
import os
import platform
import statistics
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path

from tests.bench import capacity, contenders, contenders_files, contenders_growth, targets
from tests.bench.contenders import NOT_RUN, Contender, Task
from tests.bench.measures import SAMPLE_SECONDS, Loop, NotMeasuredError
from tests.bench.ratios import every_measure
from tests.support import ROOT

TASKS = (*contenders.TASKS, *contenders_growth.TASKS, *contenders_files.TASKS)
TARGET_ROUNDS = 21
INK, OURS, THEIRS = "#1d2733", "#7fbf8f", "#b9c4d0"


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds that one took: the median of the rounds, and the quarter below and above."""

    name: str
    ours: bool
    low: float
    median: float
    high: float


def timed(task: Task, rounds: int) -> tuple[list[Result], dict[str, str]]:
    """The results, the fastest first; and who could not be run, with the reason."""
    with ExitStack() as stack:
        loops: list[tuple[Contender, Loop, int]] = []
        missing: dict[str, str] = {}
        for one in task.contenders:
            try:
                loop = stack.enter_context(one.make())
            except NotMeasuredError as reason:
                missing[one.name] = str(reason)
                continue
            count = task.repetitions or max(1, int(SAMPLE_SECONDS / min(loop(1) for _ in range(3))))
            loops.append((one, loop, count))
        times: dict[str, list[float]] = {one.name: [] for one, _, _ in loops}
        for number in range(min(rounds, task.most_rounds or rounds)):
            for one, loop, count in loops if number % 2 else reversed(loops):
                times[one.name].append(loop(count))
    results = [_result(one, times[one.name]) for one, _, _ in loops]
    return sorted(results, key=lambda result: result.median), missing


def _result(one: Contender, times: list[float]) -> Result:
    low, median, high = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
    return Result(one.name, one.ours, low, median, high)


def human(seconds: float) -> str:
    """A time with three digits and its unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def plot(title: str, results: list[Result]) -> str:
    """Bars on a logarithmic scale, with the quarters as whiskers."""
    least = math.floor(math.log10(min(one.low for one in results)))
    most = math.ceil(math.log10(max(one.high for one in results)))
    left, right, step = 270, 640, 26

    def x(seconds: float) -> float:
        return left + (math.log10(seconds) - least) / max(1, most - least) * (right - left)

    height = 50 + step * len(results) + 30
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 {height}" width="740" height="{height}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}" role="img"><title>{escape(title)}</title>',
        f'<rect width="740" height="{height}" rx="8" fill="white"/>',
        f'<text x="20" y="26" font-size="14">{escape(title)}</text>',
    ]
    for power in range(least, most + 1):
        at = x(10.0**power)
        drawn.append(f'<line x1="{at:.1f}" y1="40" x2="{at:.1f}" y2="{height - 26}" stroke="#dde3ea"/>')
        drawn.append(f'<text x="{at:.1f}" y="{height - 10}" text-anchor="middle">{human(10.0**power)}</text>')
    for number, one in enumerate(results):
        y = 46 + number * step
        drawn += [
            f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(one.name)}</text>',
            f'<rect x="{left}" y="{y}" width="{x(one.median) - left:.1f}" height="18" '
            f'fill="{OURS if one.ours else THEIRS}"/>',
            f'<line x1="{x(one.low):.1f}" y1="{y + 9}" x2="{x(one.high):.1f}" y2="{y + 9}" '
            f'stroke="{INK}" stroke-width="2"/>',
            f'<text x="{x(one.high) + 6:.1f}" y="{y + 14}">{human(one.median)}</text>',
        ]
    return "\n".join([*drawn, "</svg>\n"])


def section(task: Task, results: list[Result]) -> list[str]:
    """A task's part of the page: picture, table, and who wins."""
    best_ours = next(one for one in results if one.ours)
    lines = [f"## {task.title}", "", f"```{{image}} _static/bench-{task.key}.svg", f":alt: {task.title}", "```", ""]
    lines += ["| who | median | middle half of the rounds | times securemem's fastest |", "|---|---|---|---|"]
    for one in results:
        ratio = one.median / best_ours.median
        lines.append(f"| {one.name} | {human(one.median)} | {human(one.low)} to {human(one.high)} | {ratio:.3g} |")
    faster = [one.name for one in results if one.median < best_ours.median]
    won = f"Faster than securemem here: {'; '.join(faster)}." if faster else "None of the others is faster here."
    return [*lines, "", f"{won} {task.note}", ""]


def capacities() -> tuple[list[str], dict[str, str]]:
    """How many secrets each holds locked, as a part of the page; and who could not be counted."""
    lines = [f"## Secrets of 32 bytes in {capacity.LIMIT >> 20} MiB of lockable memory", ""]
    lines += [
        "Counted in processes of an ordinary user, one for each.",
        "",
        "| who | locked | the next one |",
        "|---|---|---|",
    ]
    missing: dict[str, str] = {}
    for who, (name, _) in capacity.WHO.items():
        try:
            count, end = capacity.counted(who)
        except NotMeasuredError as reason:
            missing[name] = str(reason)
            continue
        lines.append(f"| {name} | {count:,} | {end} |")
    return [*lines, ""], missing


def page(rounds: int, folder: Path, only: str = "") -> str:
    """Time every task, write the pictures into the folder; the page's text."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("securemem", "cryptography", "cffi"))
    machine = f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} processors"
    today = dt.datetime.now(tz=dt.UTC).date()
    lines = ["# Benchmarks", "", f"Made by `scripts/bench --report` on {today}: {machine}, CPython"]
    lines[-1] += f" {platform.python_version()}, {packages}. {rounds} rounds; in each, all were timed in turn."
    lines += ["Times on other machines differ; ratios less so. `scripts/bench` holds the ratios to their targets.", ""]
    absent = dict(NOT_RUN)
    for task in TASKS:
        if only not in task.key:
            continue
        results, missing = timed(task, rounds)
        absent |= missing
        (folder / f"bench-{task.key}.svg").write_text(plot(task.title, results), encoding="utf-8")
        lines += section(task, results)
        print(*(f"{task.key}: {one.name}: {human(one.median)}" for one in results), sep="\n", flush=True)
    if only in "capacity":
        text, missing = capacities()
        lines += text
        absent |= missing
    if only in "targets":
        text, missing = targets.section((measure for _, measure in every_measure()), min(rounds, TARGET_ROUNDS))
        lines += text
        absent |= missing
    lines += ["## Not run", "", "| who | why |", "|---|---|"]
    lines += [f"| {name} | {reason.splitlines()[0]} |" for name, reason in absent.items()]
    return "\n".join([*lines, ""])


def main() -> int:
    """Write the page and the pictures."""
    parser = argparse.ArgumentParser(prog="scripts/bench --report", description=__doc__)
    parser.add_argument("--rounds", type=int, default=45, help="timings of each contender (default: 45)")
    parser.add_argument("--only", default="", metavar="TASK", help="tasks whose name contains TASK")
    parser.add_argument("--into", type=Path, default=ROOT / "docs", help="the folder of the page (default: docs)")
    options = parser.parse_args()
    pictures = options.into / "_static"
    pictures.mkdir(parents=True, exist_ok=True)
    text = page(options.rounds, pictures, options.only)
    (options.into / "benchmarks.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
