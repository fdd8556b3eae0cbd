"""The parsers of a store's file and of exported records: a short run of mutations, and what found a defect once."""

from __future__ import annotations

import pytest

from tests.fuzz import store_parsers


@pytest.mark.parametrize("name", store_parsers.PARSERS)
def test_mutations_of_valid_inputs(name):
    """Some thousands by chance; `python -m tests.fuzz.store_parsers` makes a million, guided by coverage."""
    assert store_parsers.by_chance(name, 4_000, seed=7) == 4_000


@pytest.mark.parametrize("path", sorted(store_parsers.FOUND.iterdir()), ids=lambda path: path.name)
def test_what_was_found_once_is_no_defect_any_more(path):
    """Inputs that broke a rule."""
    store_parsers.PARSERS[path.name.partition("-")[0]](path.read_bytes())


@pytest.mark.parametrize("name", store_parsers.PARSERS)
def test_seeds_are_taken(name):
    """The control of the seeds: they are valid, as a copy of each with a byte less is not taken in the same way."""
    for seed in store_parsers.seeds(name):
        store_parsers.PARSERS[name](seed)


def test_an_import_takes_the_seed_and_no_other_count():
    """Pieces that fit are committed; with another number at the end nothing is."""
    (seed,) = store_parsers.seeds("imported")
    target = store_parsers._Target()
    target.take(store_parsers._Pieces(seed))
    assert len(target.committed) == 2
    target.committed = {}
    with pytest.raises(store_parsers.SecureMemError):
        target.take(store_parsers._Pieces(seed[:-1] + b"\x02"))
    assert not target.committed


def test_a_parser_with_a_defect_is_found(monkeypatch, tmp_path):
    """The control: a reader that does not look at sizes fails soon, and the input is kept."""
    monkeypatch.setattr(store_parsers, "FOUND", tmp_path)
    monkeypatch.setattr(store_parsers._index, "_HEAD", 17)
    with pytest.raises(IndexError):
        store_parsers.by_chance("index", 4_000, seed=7)
    assert list(tmp_path.iterdir())
