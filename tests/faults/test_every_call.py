"""Every verb of the platform fails at every call of every operation: the answer is typed, and nothing is lost.

The operations and their checks are in faulty_child.py, which runs in a process over a module of its own
(tests/core/os_faulty.c); what they answered is judged here.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import NamedTuple

import pytest

from tests.support.programs import run_module

POLICIES = [
    *product(("noaccess", "readwrite"), ("require", "warn"), ("mlock",)),
    *product(("noaccess", "readwrite"), ("require",), ("memfd_secret",)),
]
MAKING = {"zeros", "random", "take", "copy_of", "slicing"}
WIPING = {"wipe", "wipe_frozen", "wipe_while_viewed", "delete", "with_statement", "arena_close", "arena_drop", "purge"}
ADVICE = {"exclude_from_dumps", "exclude_from_fork", "exclude_from_merging", "exclude_from_huge_pages"}
# Where each kind of pages meets its failures.
REACHED = {
    "mlock": {
        "calloc",
        "reserve",
        "unmap",
        "protect",
        "lock_on_fault",
        "populate",
        *ADVICE,
        "random",
        "reserve_at",
        "may_lock_beyond_limit",
        "locked",
    },
    "memfd_secret": {
        "calloc",
        "secret_file",
        "map_secret",
        "touch",
        "close",
        "reserve",
        "unmap",
        "protect",
        *ADVICE,
        "random",
    },
}


class Answer(NamedTuple):
    """A line of the child: what an operation answered when calls of a verb failed."""

    operation: str
    verb: str
    first: str
    how: str
    answer: str
    failed_closes: str
    deferred: str

    @property
    def done(self) -> bool:
        """Whether the operation succeeded all the same."""
        return self.answer.startswith("done")

    def excused(self, *, growing: bool, warn: bool) -> bool:
        """Whether success is what the documentation promises for this failure."""
        if self.verb in {"may_lock_beyond_limit", "locked"}:  # the limit is taken to bind, our own locks are counted
            return self.operation in {"statistics", "fits", "protection"}
        if self.verb == "unmap":  # wiped pages stay mapped, counted, and are unmapped later
            return self.operation in WIPING
        if self.operation == "forking":  # the child proved that it got ForkedError or a typed error
            return True
        if self.verb == "protect" and (int(self.failed_closes) > 0 or self.operation in WIPING):
            return True  # closing and wiping are counted and repeated; the child has seen them done
        if self.verb in {"lock_on_fault", "populate"} and warn:
            return self.operation in MAKING and (self.answer == "done+" or growing)
        return (
            growing and self.verb != "random" and self.operation in MAKING
        )  # a run that is refused is asked for again with half the pages


def run(faulty_core, *words, program="faulty_child"):
    """The child's lines; its own checks failed where it ended otherwise."""
    said = run_module(f"tests.faults.{program}", faulty_core, *words, timeout=300)
    return [Answer(*line.split()) for line in said.splitlines()]


@pytest.mark.parametrize(
    ("at_rest", "lock", "backend", "kind"),
    [
        *((*policy, kind) for policy in POLICIES for kind in ("small", "growing", "large")),
        ("noaccess", "require", "mlock", "long"),  # wiped without the mutex
    ],
)
def test_every_call(faulty_core, at_rest, lock, backend, kind):
    """A typed error or a promised success; no leak, nothing half locked, earlier secrets and take()'s source intact."""
    answers = run(faulty_core, at_rest, lock, backend, kind)
    assert len(answers) > 150
    wrong = [one for one in answers if one.done and not one.excused(growing=kind == "growing", warn=lock == "warn")]
    assert not wrong
    fired = Counter(one.verb for one in answers)
    expected = set(REACHED[backend])
    if kind == "growing":  # forks and statistics are not repeated there
        expected -= {"reserve_at", "may_lock_beyond_limit", "locked"}
    if kind == "small":  # the arena's page is there already; the forked child's default arena is of the other kind
        expected -= {"secret_file", "map_secret", "touch", "close"}
    assert expected <= set(fired), fired
    assert {one.how for one in answers} == {"once", "forever"}
    assert any(one.answer.endswith("Error") for one in answers)


@pytest.mark.parametrize(
    "scenario",
    [
        "plan_fires",
        "refused_start",
        "stuck_close",
        "stuck_page_unmapped",
        "pending_wiped",
        "pending_purged",
        "pending_dropped",
        "pending_dropped_then_purged",
        "pending_refused_by_purge",
        "left_mapped",
        "want_of_bookkeeping",
        "left_mapped_in_fork",
        "warned",
        "without_mlock2",
        "hardening_refused",
    ],
)
def test_story(faulty_core, scenario):
    """What cannot be done now is counted, shown, repeated, and done in the end (faulty_scenarios tells each)."""
    run(faulty_core, scenario, program="faulty_scenarios")


def test_a_lost_check_is_seen(faulty_core):
    """Positive control: the child's failed check ends it with a traceback, and here the test."""
    with pytest.raises(AssertionError, match="KeyError"):
        run(faulty_core, "no_such_scenario", program="faulty_scenarios")
