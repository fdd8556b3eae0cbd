"""Whatever the data: round trips return it, and nothing but the right box under the right key and aad opens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from securemem import Arena, DecryptionError, SecureBytes
from securemem.crypto import _ciphers as ciphers
from securemem.crypto import hazmat, kdf, wrap
from securemem.crypto.aead import Key

ARENA = Arena(at_rest="readwrite")
ALGORITHMS = st.sampled_from(list(ciphers.ALGORITHMS.values()))
DATA = st.binary(min_size=1, max_size=200)


def key_of(algorithm, seed=b"\1"):
    """A fixed key."""
    return SecureBytes.copy_of((seed * 64)[: algorithm.key_size], arena=ARENA)


@settings(deadline=None)
@given(ALGORITHMS, DATA, st.binary(max_size=50))
def test_round_trip(algorithm, data, aad):
    """Decrypt undoes encrypt."""
    key = Key(key_of(algorithm), algorithm.name)
    assert key.decrypt(key.encrypt(data, aad), aad, arena=ARENA) == data


@settings(deadline=None)
@given(ALGORITHMS, DATA, st.binary(max_size=50), st.data())
def test_nothing_else_opens(algorithm, data, aad, draw):
    """Any flipped bit, cut, extension, other aad, other nonce or other key: DecryptionError, and out is wiped."""
    key, nonce = key_of(algorithm), bytes(range(algorithm.nonce_size))
    box = hazmat.encrypt(algorithm.name, key, nonce, data, aad)
    kind = draw.draw(st.sampled_from(["flip", "cut", "extend", "aad", "nonce", "key"]))
    if kind == "flip":
        bit = draw.draw(st.integers(0, len(box) * 8 - 1))
        flipped = bytearray(box)
        flipped[bit // 8] ^= 1 << bit % 8
        box = bytes(flipped)
    elif kind == "cut":
        box = box[: draw.draw(st.integers(0, len(box) - 1))]
    elif kind == "extend":
        box += draw.draw(st.binary(min_size=1, max_size=20))
    elif kind == "aad":
        aad = draw.draw(st.binary(max_size=50).filter(lambda other: other != aad))
    elif kind == "nonce":
        nonce = draw.draw(st.binary(min_size=len(nonce), max_size=len(nonce)).filter(lambda other: other != nonce))
    else:
        key = key_of(algorithm, b"\2")
    out = bytearray(b"\xff" * max(0, len(box) - algorithm.overhead))
    with pytest.raises(DecryptionError) as caught:
        hazmat.decrypt_into(algorithm.name, key, nonce, box, out, aad)
    assert caught.value.__context__ is None
    assert not any(out) or len(box) < algorithm.overhead


@settings(deadline=None)
@given(st.integers(1, 200), st.sampled_from([16, 24, 32]))
def test_wrap_round_trip(size, kek_size):
    """Unwrap undoes wrap, for every size that the algorithm takes."""
    kek, key = SecureBytes.random(kek_size, arena=ARENA), SecureBytes.random(size, arena=ARENA)
    for algorithm in ["AES-KWP"] + ["AES-KW"] * (size >= 16 and size % 8 == 0):
        assert wrap.unwrap(kek, wrap.wrap(kek, key, algorithm=algorithm), algorithm=algorithm, arena=ARENA) == key


@settings(deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60), st.integers(1, 300))
def test_hkdf_is_cryptographys(salt, info, length):
    """HKDF on HMAC gives what cryptography's own HKDF gives."""
    from cryptography.hazmat.primitives.hashes import SHA384
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    secret = SecureBytes.copy_of(b"key material", arena=ARENA)
    expected = HKDF(SHA384(), length, salt, info).derive(b"key material")
    assert kdf.hkdf(secret, length, salt=salt, info=info, algorithm="SHA-384", arena=ARENA) == expected
