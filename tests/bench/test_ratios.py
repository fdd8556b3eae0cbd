"""The judge of the ratios: a miss and a missing peer must be told, and the exit status with them."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from tests.bench import ratios
from tests.bench.measures import Count, NotMeasuredError, Outcome, Ratio


@contextmanager
def pair(ours, baseline):
    """Two sides that take so many seconds each, by their own word."""
    yield (lambda _: ours), (lambda _: baseline)


def missing():
    """A measure whose peer is not there."""
    raise NotMeasuredError("no such peer")


FAST = Ratio("fast", lambda: pair(1.0, 2.0), 0.6)
SLOW = Ratio("slow", lambda: pair(2.0, 1.0), 1.9)
FASTER = Ratio("faster", lambda: pair(1.0, 5.0), 5.0, "at least")
NOT_FASTER = Ratio("not faster", lambda: pair(1.0, 5.0), 5.1, "at least")
SHOWN = Ratio("shown", lambda: pair(9.0, 1.0), None)
FEW = Count("few", lambda: Outcome(3, "three"), 4, "at least")
GONE = Count("gone", missing, 1)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command over some measures; its exit status and what it printed."""

    def command(measures, options):
        monkeypatch.setattr(ratios, "every_measure", lambda: [("part", measure) for measure in measures])
        monkeypatch.setattr("sys.argv", ["ratios", *options])
        return ratios.main(), capsys.readouterr().out

    return command


@pytest.mark.parametrize(
    ("measures", "options", "status", "words"),
    [
        ([FAST, FASTER, SHOWN], [], 0, ["hit          0.50", "hit          5.00", "3 measures, 0 missed"]),
        ([FAST, SLOW], [], 1, ["MISS         2.00", "2 measures, 1 missed"]),
        ([NOT_FASTER], [], 1, ["MISS         5.00"]),
        ([FEW], [], 1, ["MISS         3.00", "three"]),
        ([FAST, GONE], [], 1, ["not measured: no such peer", "0 missed, 1 not measured"]),
        ([FAST, GONE], ["--allow-missing"], 0, ["not measured: no such peer"]),
        ([SLOW, GONE], ["--allow-missing"], 1, ["MISS"]),
        ([FAST, SLOW], ["--only", "fast", "--rounds", "1"], 0, ["1 measures, 0 missed"]),
    ],
)
def test_a_miss_is_told_and_fails(run, measures, options, status, words):
    """The exit status is 1 for a miss, and for a measure not taken unless that is allowed."""
    ended, printed = run(measures, options)
    assert ended == status
    assert all(word in printed for word in words)


@pytest.mark.parametrize("options", [["--only", "nothing has this name"], ["--rounds", "0"]])
def test_a_choice_of_nothing_is_an_error(monkeypatch, options):
    """Options that would measure nothing do not succeed."""
    monkeypatch.setattr("sys.argv", ["ratios", *options])
    with pytest.raises(SystemExit, match="2"):
        ratios.main()


def test_every_module_with_measures_is_found():
    """The measures of memory and of scale are there, each name once, each target with a bound."""
    found = ratios.every_measure()
    assert {"memory", "scale"} <= {module for module, _ in found}
    names = [measure.name for _, measure in found]
    assert len(set(names)) == len(names)
    assert sum(measure.bound is not None for _, measure in found) >= 15


def test_a_ratio_is_the_median_of_rounds():
    """One disturbed round of five does not move the ratio; the sides alternate in who begins."""
    order = []
    ours = iter([1.0, 1.0, 100.0, 1.0, 1.0])

    def side(name, value):
        order.append(name)
        return value

    @contextmanager
    def disturbed():
        yield (lambda _: side("ours", next(ours))), (lambda _: side("baseline", 2.0))

    outcome = Ratio("disturbed", disturbed, 1.0, repetitions=1).measure(5)
    assert outcome.value == 0.5
    assert order == ["ours", "baseline", "baseline", "ours"] * 2 + ["ours", "baseline"]
