"""The benchmarks page: all are timed, the missing are named, and whoever is faster is said to be."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from tests.bench import report, targets
from tests.bench.contenders import Contender, Task
from tests.bench.measures import Count, NotMeasuredError, Outcome
from tests.bench.ratios import every_measure


def _taking(seconds):
    @contextmanager
    def made():
        yield lambda _repetitions: seconds

    return made


@contextmanager
def _absent():
    raise NotMeasuredError("the package nobody is not installed")
    yield


def _absent_count():
    raise NotMeasuredError("no such peer")


TASK = Task(
    "a-task",
    "A task",
    "A note.",
    (
        Contender("slow", _taking(4e-6)),
        Contender("ours", _taking(2e-6), ours=True),
        Contender("fast", _taking(1e-6)),
        Contender("absent", _absent),
    ),
)


def test_results_are_in_order_and_the_missing_is_named():
    """The fastest stands first; who could not be run is told with the reason."""
    results, missing = report.timed(TASK, 3)
    assert [one.name for one in results] == ["fast", "ours", "slow"]
    assert missing == {"absent": "the package nobody is not installed"}


def test_a_peer_that_wins_is_named():
    """The page says who is faster, with the ratio to ours; without one it says so."""
    results, _ = report.timed(TASK, 3)
    text = "\n".join(report.section(TASK, results))
    assert "| fast | 1 µs | 1 µs to 1 µs | 0.5 |" in text
    assert "Faster than securemem here: fast." in text
    alone = "\n".join(report.section(TASK, results[1:]))
    assert "None of the others is faster here." in alone


def test_a_page_and_its_pictures(tmp_path):
    """A short run of a real task gives a page, a picture whose bars are ours and others', and who was not run."""
    text = report.page(2, tmp_path, "compare")
    assert "hmac.compare_digest" in text
    assert "## Not run" in text
    assert "keyring" in text
    picture = (tmp_path / "bench-compare.svg").read_text()
    assert report.OURS in picture
    assert report.THEIRS in picture


def test_every_picture_has_a_name_of_its_own():
    """Two tasks with one name would write one picture; and each task has one of ours to compare with."""
    names = [task.key for task in report.TASKS]
    assert len(set(names)) == len(names)
    assert all(any(one.ours for one in task.contenders) for task in report.TASKS)


def test_a_missed_target_is_told_with_its_reason():
    """A measure's value and target stand in the page; a miss is marked, with the reason that is known for it."""
    found = {"read_file 1 MiB, noaccess": 2.5, "something": 1.0}
    measures = [Count(name, lambda value=value: Outcome(value, "detail"), 2.0) for name, value in found.items()]
    lines, missing = targets.section([*measures, Count("shown", _absent_count, 1.0)], 1)
    assert "| read_file 1 MiB, noaccess | 2.50 | at most 2 | missed |" in lines
    assert "| something | 1.00 | at most 2 |  |" in lines
    assert any("256 pages" in line for line in lines)
    assert missing == {"shown": "no such peer"}


def test_a_reason_is_of_a_measure_that_there_is():
    """A measure that was renamed would leave its reason behind."""
    names = [measure.name for _, measure in every_measure()]
    assert [part for part in targets.WHY if not any(part in name for name in names)] == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.56e-6, "4.56 µs"), (7e-9, "7 ns")]
)
def test_times_for_people(seconds, text):
    """A time has the unit that fits."""
    assert report.human(seconds) == text
