"""Hex and base64 against the standard library, on a million random inputs."""

from __future__ import annotations

import base64
import binascii
import random

import pytest

from securemem import Arena
from securemem.doors import decode_base64, decode_hex, encode_base64, encode_hex
from securemem.exceptions import FormatError

ROUNDS = 250_000  # of four kinds
ARENA = Arena(at_rest="readwrite")


def random_inputs(kind, rounds):
    """Random bytes of random length, the same at each run."""
    pick = random.Random(f"codec {kind}")
    for _ in range(rounds):
        yield pick.randbytes(pick.choice((1, 2, 3, 4, 5, 7, 8, 12, 16, 31, 32, 33, 48)))


@pytest.mark.parametrize("kind", ["hex", "base64"])
def test_good_inputs(kind):
    """Encoded as the standard library does, and decoded to the same bytes."""
    encode, decode, theirs = {
        "hex": (encode_hex, decode_hex, binascii.hexlify),
        "base64": (encode_base64, decode_base64, base64.b64encode),
    }[kind]
    compared = 0
    for data in random_inputs(kind, ROUNDS):
        text = theirs(data)
        compared += (encode(data, arena=ARENA) == text) + (decode(text, arena=ARENA) == data)
    assert compared == 2 * ROUNDS


def mutated(pick, text):
    """A text with one character put in, taken out, or changed."""
    at = pick.randrange(len(text))
    return pick.choice((text[:at] + pick.randbytes(1) + text[at + pick.randrange(2) :], text[:at] + text[at + 1 :]))


@pytest.mark.parametrize("kind", ["hex", "base64"])
def test_bad_inputs(kind):
    """Of texts with one mistake, those are taken that the standard library takes strictly, and no others."""
    decode = {"hex": decode_hex, "base64": decode_base64}[kind]
    theirs = {"hex": binascii.unhexlify, "base64": lambda text: base64.b64decode(text, validate=True)}[kind]
    encode = {"hex": binascii.hexlify, "base64": base64.b64encode}[kind]
    pick = random.Random(f"mutations {kind}")
    taken = refused = 0
    for data in random_inputs(f"bad {kind}", ROUNDS):
        text = mutated(pick, encode(data))
        try:
            expected = theirs(text)
            if encode(expected) != (text.lower() if kind == "hex" else text):
                expected = None  # bits behind the last byte, which ours refuses
        except binascii.Error:
            expected = None
        if not text:
            continue
        try:
            secret = decode(text, arena=ARENA)
        except FormatError:
            assert expected is None
            refused += 1
            continue
        assert secret == expected
        taken += 1
    assert taken > ROUNDS / 100
    assert refused > ROUNDS / 4
