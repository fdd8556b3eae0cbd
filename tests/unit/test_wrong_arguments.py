"""Wrong types and huge numbers in calls of arenas and locks: a typed error that says what is wanted, and no change."""

from __future__ import annotations

import copy
import pickle

import pytest

import securemem
from securemem import Arena, locking
from securemem.exceptions import InvalidArgumentError


@pytest.mark.parametrize("word", [None, 1, [], {}, b"noaccess", "closed"])
@pytest.mark.parametrize("policy", ["at_rest", "lock", "backend"])
def test_policies_that_do_not_exist(policy, word):
    """A policy of any type that is none of the words is refused with the words that there are."""
    with pytest.raises(InvalidArgumentError, match="choose one of"):
        Arena(**{policy: word})


@pytest.mark.parametrize("size", [None, "32", 1.5, b"x", True, [32]])
def test_sizes_that_are_no_integers(size):
    """fits() guesses nothing, as the makers of secrets do not; True is no size."""
    before = securemem.statistics()
    for fits in (securemem.fits, Arena().fits):
        with pytest.raises(TypeError, match="integer"):
            fits(size)
    assert securemem.statistics().live_secrets == before.live_secrets


def test_huge_sizes_fit_nowhere():
    """A size that no integer of the machine holds is an answer and no error: none fits."""
    assert securemem.fits(2**100) == 0


@pytest.mark.parametrize("released", [False, True])
def test_a_page_lock_is_not_pickled(released):
    """A PageLock is on memory of this process: no copy of it is made, held or given back."""
    lock = locking.mlock(bytearray(16))
    if released:
        lock.unlock()
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="this process"):
            way(lock)
    assert lock.held is not released
    lock.unlock()
