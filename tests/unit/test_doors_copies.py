"""Copies for the length of a call: wiped where that is provably safe, and told where it is not."""

from __future__ import annotations

import os
import sys

import pytest

from securemem import SecureBytes
from securemem._binding import process
from securemem.doors import copies_kept, with_bytes, with_str
from securemem.exceptions import CopyKeptWarning, FormatError, WipedError


@pytest.mark.parametrize("size", [16, 24, 100, 5000])
@pytest.mark.parametrize(("call", "empty"), [(with_bytes, b""), (with_str, "")])
def test_the_copy_is_wiped_when_the_call_is_over(call, empty, size):
    """While the call runs it lies there, by the kernel's word; right after, nothing of it does, and nobody is told."""
    text = os.urandom(size).hex()[:size].encode()
    parts = [text[at : at + 8] for at in range(0, size - 7, 8)]
    here, after, address = bytearray(size), bytearray(size), []

    def look(copy):
        address.append(id(copy) + sys.getsizeof(empty) - 1)
        process.peek(address[0], here)
        return len(copy)

    secret, before = SecureBytes.copy_of(text), copies_kept()
    returned = call(secret, look)
    process.peek(address[0], after)  # before anything else takes the place
    assert returned == size
    assert here == text  # the control: the address is right
    assert not any(part in after for part in parts)
    assert copies_kept() == before


def keep(kept):
    """A call that keeps what it gets."""
    return kept.append


@pytest.mark.parametrize("call", [with_bytes, with_str])
def test_what_is_kept_is_left_and_told(call):
    """A reference that lives on is never wiped under its owner."""
    kept, before = [], copies_kept()
    with pytest.warns(CopyKeptWarning, match="could not be wiped"):
        call(SecureBytes.copy_of(b"kept by a client"), keep(kept))
    assert kept in ([b"kept by a client"], ["kept by a client"])
    assert copies_kept() == before + 1


def test_an_interned_str_is_left():
    """Wiping it would change every equal string of the program."""
    text = "interned_" + os.urandom(4).hex()

    def look(copy):
        sys.intern(copy)

    with pytest.warns(CopyKeptWarning):
        with_str(SecureBytes.copy_of(text.encode()), look)
    assert sys.intern("".join(list(text))) == text


def test_the_reader_of_interning_knows_plain_strings():
    """The control: a str that was not interned is wiped, without a warning."""
    assert with_str(SecureBytes.copy_of(b"not interned at all"), len) == 19


@pytest.mark.parametrize("text", ["x", "\xe9", "pässwort", "€uro"])
def test_what_python_may_share_is_left(text):
    """One character, and what is not ASCII."""
    with pytest.warns(CopyKeptWarning):
        assert with_str(SecureBytes.copy_of(text.encode()), str.upper) == text.upper()
    assert chr(0xE9) == "\xe9"
    assert bytes([120]) == b"x"


def test_errors_come_through():
    """What the call raises, a secret that is not UTF-8, a wiped one."""
    secret = SecureBytes.copy_of(b"some secret")
    for call in (with_bytes, with_str):
        with pytest.raises(ZeroDivisionError):
            call(secret, lambda _: 1 / 0)
    with pytest.raises(FormatError, match="with_bytes") as caught:
        with_str(SecureBytes.copy_of(b"\xff\xfe secret"), len)
    assert caught.value.__context__ is None
    secret.wipe()
    with pytest.raises(WipedError):
        with_bytes(secret, len)
