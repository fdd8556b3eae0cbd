"""The fast search finds exactly what Python's own finds, whatever the patterns and the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from securemem._binding.search import HEAD, Search
from securemem.scanning import Needle
from securemem.scanning._scanner import plain_finder

# Few different bytes, so that patterns overlap, repeat and are parts of each other.
few = st.integers(0, 3).map(lambda one: b"\x00\x01aZ"[one : one + 1])
patterns = st.lists(st.lists(few, min_size=HEAD, max_size=20).map(b"".join), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(patterns, st.data())
def test_it_finds_what_pythons_own_search_finds(patterns, data):
    """Also between any two places, at the edges, and of patterns that are parts of each other."""
    pieces = st.one_of(st.sampled_from(patterns), st.binary(max_size=9), few)
    text = b"".join(data.draw(st.lists(pieces, max_size=20)))
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
    plain = plain_finder([Needle("", pattern) for pattern in patterns])
    assert sorted(Search(patterns).find(text, start, end)) == sorted(plain(text, start, end))


def test_more_hits_than_there_is_room_for_are_all_found():
    """Thousands of overlapping ones, each once, in order."""
    found = list(Search([b"a" * 8, b"a" * 9]).find(b"a" * 10_000, 0, 10_000))
    assert [at for at, number in found if number == 0] == list(range(9_993))
    assert [at for at, number in found if number == 1] == list(range(9_992))


def test_short_patterns_are_refused():
    """A pattern shorter than the head cannot be skipped by."""
    with pytest.raises(ValueError, match="8 bytes or more"):
        Search([b"1234567"])


@pytest.mark.parametrize("size", [0, 1, 7, 8])
def test_short_texts(size):
    """Nothing is read behind the end."""
    assert list(Search([b"12345678"]).find(b"12345678"[:size], 0, size)) == [(0, 0)] * (size == 8)
