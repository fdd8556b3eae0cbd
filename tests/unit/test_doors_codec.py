"""Hex and base64 in locked memory: equal to the standard library, and strict."""

from __future__ import annotations

import base64
import binascii
import itertools

import pytest

from securemem import Arena, SecureBytes, WipedError, statistics
from securemem.doors import decode_base64, decode_hex, encode_base64, encode_hex
from securemem.exceptions import EmptyInputError, FormatError, InvalidArgumentError
from tests.support.doors import bytes_of

OPEN = Arena(at_rest="readwrite")
SIZES = [*range(1, 70), 255, 256, 4095, 4096, 4097]
VARIANTS = list(itertools.product(("standard", "url"), (True, False)))


def pattern(size):
    """Bytes of all values, the same each time."""
    return bytes((at * 167 + at // 256 + 13) % 256 for at in range(size))


def stdlib_base64(data, alphabet, padded):
    """The same text by the standard library."""
    text = (base64.urlsafe_b64encode if alphabet == "url" else base64.b64encode)(data)
    return text if padded else text.rstrip(b"=")


def strict_base64(text):
    """What the standard library decodes strictly, or None; text with bits behind the last byte is refused too."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return data if base64.b64encode(data) == text and data else None


def ours(decode, text, **options):
    """What ours decodes, or None."""
    try:
        with decode(text, arena=OPEN, **options) as secret:
            return bytes_of(secret)
    except (FormatError, EmptyInputError):
        return None


@pytest.mark.parametrize("size", SIZES)
def test_hex_of_every_length(size):
    """Encoding is the standard library's, and decoding gives the bytes back, from either case."""
    data = pattern(size)
    text = bytes_of(encode_hex(data))
    assert text == data.hex().encode()
    assert bytes_of(decode_hex(text)) == data
    assert bytes_of(decode_hex(text.upper())) == data


@pytest.mark.parametrize(("alphabet", "padded"), VARIANTS)
@pytest.mark.parametrize("size", SIZES)
def test_base64_of_every_length(size, alphabet, padded):
    """Encoding is the standard library's, and decoding gives the bytes back."""
    data = pattern(size)
    text = bytes_of(encode_base64(data, alphabet=alphabet, padded=padded))
    assert text == stdlib_base64(data, alphabet, padded)
    assert bytes_of(decode_base64(text, alphabet=alphabet, padded=padded)) == data


def test_every_pair_of_bytes_as_hex():
    """Of all 65,536 texts of two bytes those are taken that the standard library takes."""
    taken = 0
    for pair in itertools.product(range(256), repeat=2):
        text = bytes(pair)
        try:
            expected = binascii.unhexlify(text)
        except binascii.Error:
            expected = None
        taken += expected is not None
        assert ours(decode_hex, text) == expected
    assert taken == 22 * 22


@pytest.mark.parametrize("length", [8, 10, 22])
def test_a_bad_byte_anywhere_is_found_in_hex(length):
    """Each byte value at each place of a longer text."""
    good = bytearray(b"0123456789abcdefABCDEF"[:length])
    for at, value in itertools.product(range(length), range(256)):
        text = bytes(good[:at] + bytes([value]) + good[at + 1 :])
        is_digit = chr(value) in "0123456789abcdefABCDEF"
        assert (ours(decode_hex, text) is not None) == is_digit


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_malformed_short_base64(length):
    """All texts of some characters: padding at any place, bits behind the last byte, other alphabets, whitespace."""
    taken = 0
    for parts in itertools.product(b"AQgw/+-_=\n \x80\xbd", repeat=length):
        text = bytes(parts)
        expected = strict_base64(text)
        taken += expected is not None
        assert ours(decode_base64, text) == expected
    assert bool(taken) == (length == 4)


@pytest.mark.parametrize("base", [b"QUJD", b"QUI=", b"QQ==", b"QUJDREVG", b"QUJDREVGR0hJSktM", b"QUJDREVGR0g="])
def test_every_byte_at_every_place_of_base64(base):
    """Each of the 256 values at each place is taken exactly where the standard library takes it."""
    for at, value in itertools.product(range(len(base)), range(256)):
        text = base[:at] + bytes([value]) + base[at + 1 :]
        assert ours(decode_base64, text) == strict_base64(text)


def test_unpadded_base64_has_no_padding():
    """padded=False refuses = and a length that no bytes have."""
    assert ours(decode_base64, b"QQ", padded=False) == b"A"
    assert ours(decode_base64, b"QQ==", padded=False) is None
    assert ours(decode_base64, b"QUJDR", padded=False) is None
    assert ours(decode_base64, b"QR", padded=False) is None  # a bit behind the last byte


@pytest.mark.parametrize("encoded", [b"", bytearray(), memoryview(b"")])
def test_nothing_is_an_error(encoded):
    """An empty input is one clear error, whichever way."""
    for door in (decode_hex, encode_hex, decode_base64, encode_base64):
        with pytest.raises(EmptyInputError, match="at least one byte"):
            door(encoded)


def test_errors_say_the_fix_and_nothing_of_the_secret():
    """The messages tell of strip() and padded=False; they do not repeat what was given."""
    for door, text, fix in (
        (decode_hex, b"c0ffee\n", "strip"),
        (decode_hex, b"0xc0ffee", "not a hex digit"),
        (decode_base64, b"c2VjcmV0", None),
        (decode_base64, b"c2VjcmV0\n", "strip"),
        (decode_base64, b"c2VjcmU", "padded=False"),
        (decode_base64, b"c2V-cmV0", 'alphabet="url"'),
    ):
        if fix is None:
            door(text)  # the control: this one is right
            continue
        with pytest.raises(FormatError, match=fix) as caught:
            door(text)
        assert text.strip().decode() not in str(caught.value)


def test_a_refused_text_leaves_no_secret():
    """Where decoding fails, what was decoded so far is gone, and the source is left as it was."""
    before = statistics().live_secrets
    text = SecureBytes.copy_of(b"00" * 40 + b"zz")
    with pytest.raises(FormatError):
        decode_hex(text)
    assert statistics().live_secrets == before + 1
    assert statistics().open_windows == 0
    assert bytes_of(text) == b"00" * 40 + b"zz"


def test_the_arena_is_that_of_the_source():
    """Without arena= the result lies where the source lies, and elsewhere where one is named."""
    arena, other = Arena(), Arena()
    text = SecureBytes.copy_of(b"c0ffee", arena=arena)
    made = [decode_hex(text), encode_hex(text), encode_base64(text), decode_hex(text, arena=other)]
    assert arena.statistics().live_secrets == 4
    assert other.statistics().live_secrets == 1
    assert len(made) == 4


def test_what_is_not_bytes_is_refused():
    """Text is to be encoded first; a wiped secret raises; an alphabet that does not exist is named."""
    with pytest.raises(TypeError, match="encode"):
        decode_hex("c0ffee")
    with pytest.raises(TypeError, match="bytes-like"):
        encode_base64(7)
    with pytest.raises(InvalidArgumentError, match="url"):
        encode_base64(b"x", alphabet="base58")
    secret = SecureBytes.random(4)
    secret.wipe()
    with pytest.raises(WipedError):
        encode_hex(secret)
