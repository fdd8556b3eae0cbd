"""A C extension that reads past the end of its buffer: pages without access stop it, ordinary memory does not."""

from __future__ import annotations

import signal

import pytest

# What such a bug does: memmove from a buffer and on, for many pages, into a file.
READ_ON = """
import ctypes
libc = ctypes.CDLL(None)
libc.memmove.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
def address_of(buffer):
    with memoryview(buffer) as view: return ctypes.addressof(ctypes.c_char.from_buffer(view))
def read_on(start, size):
    out = ctypes.create_string_buffer(size)
    libc.memmove(out, start, size)
    return out
"""
OURS = """
key = SecureBytes.random(32, arena=Arena(at_rest="{at_rest}"))
control = fill(bytearray(32))
tell(key); tell(control)
with key.reveal(writable=True) as view: place = ctypes.addressof(ctypes.c_char.from_buffer(view))
stand_still()
out = read_on(place {offset}, 64)
stand_still("read")
"""


def _outcome(attacked):
    attacked.learn()
    attacked.wait()
    attacked.go_on()
    try:
        return attacked.wait()
    except pytest.fail.Exception:
        return attacked.process.wait()


def test_a_key_at_rest_cannot_be_read_by_a_stray_pointer(prey):
    """The process ends by SIGSEGV at the first byte of the page."""
    attacked = prey(READ_ON + OURS.format(at_rest="noaccess", offset=""))
    assert _outcome(attacked) == -signal.SIGSEGV


def test_an_open_arena_can_be_read_and_its_guards_cannot(prey):
    """The control: with at_rest="readwrite" the same read succeeds; beyond the run's end a guard page stops it."""
    assert _outcome(prey(READ_ON + OURS.format(at_rest="readwrite", offset=""))) == "read"
    beyond = prey(READ_ON + OURS.format(at_rest="readwrite", offset="+ 4096"))
    assert _outcome(beyond) == -signal.SIGSEGV


def test_ordinary_memory_gives_what_lies_behind(prey):
    """The control: over-reading a buffer of malloc gives the secret that lies behind it."""
    attacked = prey(
        READ_ON
        + """
key = SecureBytes.random(32)
block = bytearray(4096)
control = memoryview(block)[2048:2080]
fill(control)
tell(key); tell(control); stand_still()
out = read_on(address_of(block), 4096)
found = control.tobytes() in out.raw
stand_still(str(found))
"""
    )
    assert _outcome(attacked) == "True"
