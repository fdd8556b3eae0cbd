"""Times of single operations on keys in locked memory: `pytest tests/bench --benchmark-enable`. No time is asserted."""

from __future__ import annotations

import pytest

from securemem import Arena, SealedBytes, SecureBytes
from securemem.crypto import agreement, kdf, mac, signing, wrap
from securemem.crypto._ciphers import ALGORITHMS
from securemem.crypto.aead import Key

AT_REST = pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])


@pytest.fixture
def arena(at_rest):
    """An arena of the policy asked for, closed at the end."""
    with Arena(at_rest=at_rest) as made:
        yield made


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@AT_REST
def test_encrypt(benchmark, arena, algorithm):
    """64 bytes under a key in the arena."""
    key = Key.generate(algorithm, arena=arena)
    assert len(benchmark(key.encrypt, bytes(64))) == 64 + key.overhead


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@AT_REST
def test_decrypt(benchmark, arena, algorithm):
    """64 bytes into a new SecureBytes in the arena."""
    key = Key.generate(algorithm, arena=arena)
    assert benchmark(key.decrypt, key.encrypt(bytes(64)), arena=arena) == bytes(64)


@AT_REST
def test_sealed_bytes(benchmark, arena):
    """A SealedBytes opened into the arena, and dropped."""
    assert len(benchmark(SealedBytes.copy_of(bytes(32)).open, arena=arena)) == 32


OPERATIONS = {
    "hmac": lambda key, _: mac.hmac(key, b"data"),
    "hkdf": lambda key, arena: kdf.hkdf(key, 32, arena=arena),
    "wrap": lambda key, _: wrap.wrap(key, key),
    "ed25519 sign": lambda key, _: signing.ed25519_sign(key, b"message"),
    "x25519 exchange": lambda key, arena: agreement.x25519_exchange(key, b"\x09" + bytes(31), arena=arena),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@AT_REST
def test_operation(benchmark, arena, operation):
    """One operation with a key in the arena."""
    assert len(benchmark(operation, SecureBytes.random(32, arena=arena), arena)) >= 32


@AT_REST
def test_unwrap(benchmark, arena):
    """A 32-byte key unwrapped into the arena."""
    kek = SecureBytes.random(32, arena=arena)
    assert benchmark(wrap.unwrap, kek, wrap.wrap(kek, kek), arena=arena) == kek
