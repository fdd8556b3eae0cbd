"""Passwords and passphrases: uniform, of the alphabet, made in locked memory."""

from __future__ import annotations

from collections import Counter

import pytest

from securemem import Arena, statistics
from securemem.doors import generate_passphrase, generate_password
from securemem.doors._passwords import ALPHABET
from securemem.exceptions import InvalidArgumentError, SizeError
from tests.support.doors import bytes_of

# Five sigma beyond the mean of a chi-squared with k degrees of freedom (k > 30): k + 5 * sqrt(2 k).


def chi_squared(counts, choices, total):
    """The statistic for equally likely choices."""
    expected = total / choices
    return sum((counts[choice] - expected) ** 2 / expected for choice in range(choices))


@pytest.mark.parametrize("size", [2, 3, 10, 33, 62, 94])
def test_every_character_is_equally_likely(size):
    """A chi-squared test over 200,000 characters, for alphabets that do not divide 2^32 as well."""
    alphabet = "".join(map(chr, range(33, 33 + size)))
    text = bytes_of(generate_password(200_000, alphabet))
    counts = Counter(byte - 33 for byte in text)
    assert set(counts) == set(range(size))
    freedom = size - 1
    assert chi_squared(counts, size, len(text)) < freedom + 5 * (2 * freedom) ** 0.5 + 10


def test_the_statistic_finds_a_bias():
    """Positive control: drawing by `byte % 94` is far beyond the bound."""
    import os

    counts = Counter(byte % 94 for byte in os.urandom(200_000))
    assert chi_squared(counts, 94, 200_000) > 93 + 5 * (2 * 93) ** 0.5 + 10


def test_passwords_differ_and_have_the_length():
    """The default is 20 characters of the alphabet that is documented."""
    made = {bytes_of(generate_password()) for _ in range(100)}
    assert len(made) == 100
    assert all(len(text) == 20 and set(text.decode()) <= set(ALPHABET) for text in made)
    assert len(set(ALPHABET)) == len(ALPHABET) == 77


@pytest.mark.parametrize("alphabet", ["", "a", "aa", "aä", "a\n", "abca"])
def test_other_alphabets_are_refused(alphabet):
    """One character, a character twice, or one that is not printable ASCII."""
    with pytest.raises(InvalidArgumentError):
        generate_password(8, alphabet)


def test_lengths_are_checked():
    """Zero, negative and absurd lengths are refused before anything is made."""
    for length in (0, -1, 2**70):
        with pytest.raises(InvalidArgumentError):
            generate_password(length)
    with pytest.raises(TypeError):
        generate_password(8.0)
    with pytest.raises(TypeError):
        generate_password(8, b"ab")
    with pytest.raises((SizeError, MemoryError)):
        generate_password(2**60)
    assert statistics().open_windows == 0


def test_words_are_equally_likely():
    """A chi-squared test over 20,000 words of a list of 50, some not ASCII, of different lengths."""
    words = [f"wörd{'x' * (number % 7)}{number:02}" for number in range(50)]
    text = bytes_of(generate_passphrase(20_000, words, separator=" ")).decode().split(" ")
    assert len(text) == 20_000
    counts = Counter(words.index(word) for word in text)
    assert chi_squared(counts, 50, 20_000) < 49 + 5 * 98**0.5 + 10


def test_passphrase_separators():
    """The separator stands between words only, and may be empty or long."""
    words = ["one", "two"]
    for separator in ("-", "", " and then "):
        text = bytes_of(generate_passphrase(3, words, separator=separator)).decode()
        assert len(text) == 9 + 2 * len(separator)
    assert bytes_of(generate_passphrase(1, words)).decode() in words


@pytest.mark.parametrize("words", [[], ["one"], ["one", "one"], ["one", ""], ["one", "t\0o"], ["one", "x" * 65]])
def test_other_lists_are_refused(words):
    """One word, a word twice, an empty or endless one."""
    with pytest.raises(InvalidArgumentError):
        generate_passphrase(4, words)


def test_a_str_is_no_list():
    """A str would be a list of its characters."""
    with pytest.raises(TypeError, match="sequence of str"):
        generate_passphrase(4, "words")


def test_nothing_is_left_but_the_password():
    """The random bits that it was drawn from are wiped."""
    arena = Arena()
    made = [generate_password(30, arena=arena), generate_passphrase(5, ["ab", "cd"], arena=arena)]
    assert arena.statistics().live_secrets == len(made)
    assert arena.statistics().open_windows == 0
