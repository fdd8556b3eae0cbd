"""Each system call of the crypto heap fails once: it is on as a whole, or off as a whole, and nothing crashes."""

from __future__ import annotations

from itertools import count

import pytest

from tests.support.programs import run_module

ADVICE = ("exclude_from_dumps", "exclude_from_merging", "exclude_from_huge_pages", "wipe_on_fork")


def answers(faulty_core, verb, *words):
    """What came of each failing call of a verb, one after the other."""
    found = []
    for number in count(1):
        found.append(run_module("tests.faults.heap_child", faulty_core, verb, number, *words).strip())
        if found[-1] == "unreached":
            return found[:-1]
    raise AssertionError


@pytest.mark.parametrize("verb", ["reserve", "protect", "lock", *ADVICE])
def test_turning_it_on(faulty_core, verb):
    """A refusal is typed, changes nothing, and does not stand in the way of the next try; nothing is passed over."""
    found = answers(faulty_core, verb)
    assert found
    assert set(found) <= {"refused", "on"}
    assert "refused" in found


@pytest.mark.parametrize("verb", ["protect", "lock"])
def test_using_it(faulty_core, verb):
    """Where the kernel does not open or lock more, blocks come from elsewhere, and the status says so."""
    found = answers(faulty_core, verb, "use")
    assert found
    assert set(found) == {"went on"}
