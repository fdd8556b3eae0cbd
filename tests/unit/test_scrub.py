"""scrub(): clears dead stack of the calling thread, and takes a number of bytes."""

from __future__ import annotations

import threading

import pytest

import securemem
from securemem.exceptions import SizeError


def test_how_much_it_clears():
    """It says how much it cleared: at most the depth, and no more than the stack has."""
    assert securemem.scrub() == 65536
    assert securemem.scrub(0) == 0
    assert 0 < securemem.scrub(16384) <= 16384
    assert 65536 < securemem.scrub(2**80) < 2**40


def test_in_a_thread():
    """Any thread clears its own stack."""
    cleared = []
    thread = threading.Thread(target=lambda: cleared.append(securemem.scrub()))
    thread.start()
    thread.join()
    assert cleared == [65536]


@pytest.mark.parametrize("depth", ["65536", 1.5, None, True, b"1"])
def test_a_depth_that_is_no_integer(depth):
    """Nothing is guessed from another type."""
    with pytest.raises(TypeError, match="integer"):
        securemem.scrub(depth)


@pytest.mark.parametrize("depth", [-1, -(2**80)])
def test_a_negative_depth(depth):
    """A depth below 0 clears nothing and is refused."""
    with pytest.raises(SizeError, match="0 or more"):
        securemem.scrub(depth)
