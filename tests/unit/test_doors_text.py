"""Cutting and joining secrets in locked memory."""

from __future__ import annotations

import pytest

from securemem import Arena, SecureBytes, statistics
from securemem.doors import concat, split, strip
from securemem.exceptions import EmptyInputError, InvalidArgumentError, SourceError
from tests.support.doors import bytes_of


@pytest.mark.parametrize(
    ("text", "separator", "most"),
    [
        (b"user:pass", b":", -1),
        (b"a::b:::c", b"::", 1),
        (b"host:5432:db:user:p:w", b":", 4),
        (b"no separator", b";", -1),
        (b"x, y, z", b", ", -1),
        (b"ab", b"abc", -1),
        (b"whole", b":", 0),
    ],
)
def test_split_is_that_of_bytes(text, separator, most):
    """The parts are those of bytes.split."""
    parts = split(SecureBytes.copy_of(text), separator, maxsplit=most)
    assert [bytes_of(part) for part in parts] == text.split(separator, most)


@pytest.mark.parametrize("text", [b":b", b"a:", b"a::b", b":"])
def test_split_refuses_an_empty_part(text):
    """A secret has at least one byte; what was cut before is wiped."""
    secret = SecureBytes.copy_of(text)
    before = statistics().live_secrets
    with pytest.raises(EmptyInputError):
        split(secret, b":")
    assert statistics().live_secrets == before
    with pytest.raises(InvalidArgumentError, match="one byte or more"):
        split(secret, b"")


@pytest.mark.parametrize("text", [b"  key\n", b"key", b"\t\r\n key in two \x0b\x0c", b"k"])
def test_strip_is_that_of_bytes(text):
    """Whitespace at both ends goes, and none in between."""
    assert bytes_of(strip(SecureBytes.copy_of(text))) == text.strip()


def test_strip_of_other_characters():
    """The characters given, each for itself; where nothing is left it is an error."""
    assert bytes_of(strip(b"xyxabxy", b"xy")) == b"ab"
    assert bytes_of(strip(b" a ", b"")) == b" a "
    with pytest.raises(EmptyInputError):
        strip(SecureBytes.copy_of(b" \n "))


def test_concat_joins():
    """Secrets and other bytes, empty ones too, in order; the parts stay."""
    secret = SecureBytes.copy_of(b"key")
    joined = concat(b"prefix:", secret, b"", bytearray(b":suffix"), secret)
    assert bytes_of(joined) == b"prefix:key:suffixkey"
    assert bytes_of(secret) == b"key"
    large = SecureBytes.random(100_000)
    assert bytes_of(concat(large, large)) == bytes_of(large) * 2
    for nothing in ((), (b"", b"")):
        with pytest.raises(EmptyInputError):
            concat(*nothing)


def test_concat_wipes_what_it_had_when_a_part_is_refused():
    """A part that is no buffer, or in pieces, is refused; nothing is left."""
    secret = SecureBytes.random(3000)
    before = statistics()
    with pytest.raises(TypeError, match="each part must be bytes-like"):
        concat(secret, "text")
    with pytest.raises(SourceError):
        concat(secret, memoryview(b"abcdef")[::2])
    after = statistics()
    assert (after.live_secrets, after.open_windows) == (before.live_secrets, 0)


def test_the_arena_is_that_of_the_first_secret():
    """Parts lie where the whole lies."""
    arena = Arena()
    secret = SecureBytes.copy_of(b"a:b", arena=arena)
    made = [*split(secret, b":"), strip(secret), concat(secret, b"x")]
    assert arena.statistics().live_secrets == 1 + len(made)
