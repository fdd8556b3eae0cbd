"""process_vm_readv: another process reads memory without a file and without a debugger's stop."""

from __future__ import annotations

import ctypes
import os

import pytest

from securemem._memory_map import mappings

MAKE = """
key = SecureBytes.random(32, arena=Arena(backend="{backend}", at_rest="{at_rest}"))
control = fill(bytearray(32))
tell(key); tell(control)
{then}
stand_still()
key.wipe(); stand_still()
"""


class Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def read_all(pid):
    """All that the call gives of a process, page by page where a range is refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.process_vm_readv.restype = ctypes.c_ssize_t
    page = os.sysconf("SC_PAGE_SIZE")
    parts = []
    for one in mappings(pid):
        if one.sizes.get("Rss", 0) == 0 or one.start >= 1 << 63:
            continue
        whole = _read(libc, pid, one.start, one.end - one.start)
        if len(whole) < one.end - one.start:
            whole = b"".join(_read(libc, pid, at, page).ljust(page, b"\0") for at in range(one.start, one.end, page))
        parts.append(whole)
    return b"".join(parts)


def _read(libc, pid, start, size):
    buffer = ctypes.create_string_buffer(size)
    local, remote = Vector(ctypes.addressof(buffer), size), Vector(start, size)
    got = libc.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return buffer.raw[: max(0, got)]


@pytest.mark.parametrize(
    ("at_rest", "then", "seen"),
    [
        ("noaccess", "", 0),
        ("readwrite", "", 1),
        ("noaccess", "view = memoryview(key); del view; window = key.reveal(); shown = window.__enter__()", 1),
    ],
    ids=["at rest", "open arena", "revealed"],
)
def test_pages_without_access_are_not_given(prey, at_rest, then, seen):
    """The call respects page protection: a key at rest is not to be read by it, an open one is, as the control is."""
    attacked = prey(MAKE.format(backend="mlock", at_rest=at_rest, then=then).replace("key.wipe()", "pass"))
    attacked.learn()
    attacked.wait()
    memory = read_all(attacked.pid)
    raw = {one.form: one.pattern for one in attacked.key}["raw"]
    control = {one.form: one.pattern for one in attacked.control}["raw"]
    assert memory.count(control) == 1
    assert memory.count(raw) == seen


def test_nothing_is_left_after_release(prey):
    """A wiped key is nowhere, in no form; the control still is."""
    attacked = prey(MAKE.format(backend="mlock", at_rest="readwrite", then=""))
    attacked.learn()
    attacked.wait()
    assert any(one.pattern in read_all(attacked.pid) for one in attacked.key)
    attacked.next()
    memory = read_all(attacked.pid)
    assert not any(one.pattern in memory for one in attacked.key)
    assert any(one.pattern in memory for one in attacked.control)


def test_secret_memory_is_not_given(prey):
    """memfd_secret: EFAULT even for root, also while the process itself may read it."""
    attacked = prey(
        "from securemem.exceptions import BackendUnavailableError\n"
        "try: SecureBytes.zeros(1, arena=Arena(backend='memfd_secret'))\n"
        "except BackendUnavailableError as error: stand_still(f'unavailable: {error}')\n"
        "stand_still('ready')\n" + MAKE.format(backend="memfd_secret", at_rest="readwrite", then="")
    )
    if (said := attacked.wait()) != "ready":
        pytest.skip(said)
    attacked.go_on()
    attacked.learn()
    attacked.wait()
    memory = read_all(attacked.pid)
    assert not any(one.pattern in memory for one in attacked.key)
    assert any(one.pattern in memory for one in attacked.control)
