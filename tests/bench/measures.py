"""What a measure is, and how one is taken: ours and its baseline in turn, the median of the rounds' ratios.

A module of measures (memory.py is one) has a list MEASURES; ratios.py runs them all. Times are never compared
across runs or machines: each round times both sides within milliseconds of each other.
"""

from __future__ import annotations

import itertools
import operator
import statistics
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

# Given a number of repetitions, the seconds that one took.
Loop = Callable[[int], float]
Direction = Literal["at most", "at least"]

SAMPLE_SECONDS = 0.0006  # shorter than a turn of the scheduler, so that most samples have other programs in none


class NotMeasuredError(Exception):
    """The machine lacks what the measure needs; the message says what."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A measured value: a ratio, or a count. detail says what it comes from."""

    value: float
    detail: str


def _keeps(value: float, bound: float | None, direction: Direction) -> bool:
    return bound is None or (operator.le if direction == "at most" else operator.ge)(value, bound)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two things timed in turn. "at most": ours over the baseline; "at least": how many times faster ours is.

    pair: a context manager that prepares both and gives (ours, baseline). repetitions: None finds them.
    bound: None shows the ratio and judges nothing.
    """

    name: str
    pair: Callable[[], AbstractContextManager[tuple[Loop, Loop]]]
    bound: float | None
    direction: Direction = "at most"
    repetitions: int | None = None

    def measure(self, rounds: int) -> Outcome:
        """Time both sides for so many rounds, each first in every other one."""
        with self.pair() as (ours, baseline):
            count = self.repetitions or _repetitions(ours, baseline)
            times: list[tuple[float, float]] = []
            for number in range(rounds):
                if number % 2:
                    second = baseline(count)
                    times.append((ours(count), second))
                else:
                    times.append((ours(count), baseline(count)))
        faster = self.direction == "at least"
        value = statistics.median(other / mine if faster else mine / other for mine, other in times)
        mine, other = (statistics.median(side) * 1e9 for side in zip(*times, strict=True))
        return Outcome(value, f"{mine:,.0f} ns against {other:,.0f} ns")

    def hit(self, outcome: Outcome) -> bool:
        """Whether the outcome keeps to the bound."""
        return _keeps(outcome.value, self.bound, self.direction)


@dataclass(frozen=True, slots=True)
class Count:
    """A number that is not a time; it is taken once."""

    name: str
    count: Callable[[], Outcome]
    bound: float | None
    direction: Direction = "at most"

    def measure(self, rounds: int) -> Outcome:  # noqa: ARG002 - as for a Ratio
        """Count."""
        return self.count()

    def hit(self, outcome: Outcome) -> bool:
        """Whether the outcome keeps to the bound."""
        return _keeps(outcome.value, self.bound, self.direction)


Measure = Ratio | Count


def statement(code: str, **names: object) -> Loop:
    """Python code in a loop without call overhead; names are its globals."""
    timer = timeit.Timer(code, globals=names)
    return lambda repetitions: timer.timeit(repetitions) / repetitions


def _repetitions(*loops: Loop) -> int:
    """So many that the faster side takes a sample's time."""
    for count in (4**power for power in itertools.count(2)):
        shortest = min(loop(count) for loop in loops)
        if shortest * count > SAMPLE_SECONDS / 4:
            return max(1, int(SAMPLE_SECONDS / shortest))
    raise AssertionError("unreachable: the counts do not end")
