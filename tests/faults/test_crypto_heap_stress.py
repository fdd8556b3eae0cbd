"""Four threads over all operations of cryptography, with forks under way: nothing crashes, hangs, grows or differs."""

from __future__ import annotations

from tests.support.programs import run_module


def test_threads_and_forks_over_the_heap():
    """Every result is right, every child ends well, and what is locked after half of the time is locked at the end."""
    said = run_module("tests.support.heap_stress", 4, 30, timeout=120).split()
    done, half_locked, half_unlocked, locked, unlocked, outside, failed = map(int, said[:7])
    assert done > 100
    assert failed == outside == half_unlocked == unlocked == 0
    assert locked <= half_locked + (64 << 10) <= (800 + 64) << 10
