"""Times of single operations, for details behind the ratios: `pytest tests/bench --benchmark-enable`.

Without that option each runs once, so that it keeps working. No time is asserted.
"""

from __future__ import annotations

import hmac

import pytest

from securemem import Arena, SecureBytes

SIZES = pytest.mark.parametrize("size", [32, 4000, 65536])
AT_REST = pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])


@pytest.fixture
def arena(at_rest):
    """An arena of the policy asked for, closed at the end."""
    with Arena(at_rest=at_rest) as made:
        yield made


@SIZES
@AT_REST
def test_create_and_release(benchmark, arena, size):
    """A secret of zeros, made and dropped."""
    benchmark(SecureBytes.zeros, size, arena=arena)
    assert arena.statistics().live_secrets <= 1


@SIZES
@AT_REST
def test_create_write_and_release(benchmark, arena, size):
    """A secret copied from bytes, and wiped when dropped."""
    secret = benchmark(SecureBytes.copy_of, b"\xa5" * size, arena=arena)
    assert len(secret) == size


@AT_REST
def test_random_and_release(benchmark, arena):
    """32 bytes straight from getrandom."""
    assert len(benchmark(SecureBytes.random, 32, arena=arena)) == 32


@AT_REST
@pytest.mark.parametrize("writable", [False, True])
def test_reveal(benchmark, arena, writable):
    """An explicit window, opened and closed."""
    secret = SecureBytes.random(32, arena=arena)

    def window() -> int:
        with secret.reveal(writable) as view:
            return len(view)

    assert benchmark(window) == 32
    assert arena.statistics().open_windows == 0


@AT_REST
def test_slice(benchmark, arena):
    """The first half of a secret as a secret."""
    secret = SecureBytes.random(64, arena=arena)
    assert len(benchmark(lambda: secret[:32])) == 32


@AT_REST
def test_equal_secrets(benchmark, arena):
    """Two equal secrets, compared in constant time."""
    first, second = (SecureBytes.copy_of(b"\xa5" * 32, arena=arena) for _ in range(2))
    assert benchmark(lambda: first == second)


@AT_REST
def test_hmac(benchmark, arena):
    """A key used in place by the standard library."""
    key = SecureBytes.copy_of(b"\xa5" * 32, arena=arena)
    assert benchmark(hmac.digest, key, b"message", "sha256") == hmac.digest(b"\xa5" * 32, b"message", "sha256")
