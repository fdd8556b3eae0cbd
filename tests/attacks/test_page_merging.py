"""KSM: the kernel merges equal pages; secrets' pages are left out, where the whole process asks for merging too."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from securemem._memory_map import mappings

KSM = Path("/sys/kernel/mm/ksm")

HOLD = """
import ctypes, mmap
libc = ctypes.CDLL(None)
merging = libc.prctl(67, 1, 0, 0, 0)  # PR_SET_MEMORY_MERGE
key = SecureBytes.random(4000, arena=Arena(at_rest="readwrite"))
equal = [mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(64)]
for page in equal: page[:] = b"same" * 1024
place = lambda buffer: ctypes.addressof(ctypes.c_char.from_buffer(buffer))
with key.reveal(writable=True) as view: ours = place(view)
stand_still(f"{merging} {ours} {place(equal[0])}")
"""


@pytest.fixture
def merging():
    """Let the kernel merge quickly, for the length of a test."""
    names = {"pages_to_scan": "10000", "sleep_millisecs": "5", "run": "1"}
    try:
        before = {name: (KSM / name).read_text() for name in names}
        for name, value in names.items():
            (KSM / name).write_text(value)
    except OSError as error:
        pytest.skip(f"KSM cannot be turned on here: {error}")
    yield
    for name, value in before.items():
        (KSM / name).write_text(value)


@pytest.mark.usefixtures("merging")
def test_secret_pages_are_not_merged(prey):
    """The control's equal pages become one (KSM in its smaps); the key's page is neither mergeable nor merged."""
    attacked = prey(HOLD)
    answer, ours, control = map(int, attacked.wait().split())
    if answer != 0:
        pytest.skip("this kernel has no PR_SET_MEMORY_MERGE")

    def merged(address):
        one = next(one for one in mappings(attacked.pid) if one.start <= address < one.end)
        return one.sizes.get("KSM", 0), "mg" in one.flags

    deadline = time.monotonic() + 20
    while merged(control)[0] == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    if "KSM" not in next(iter(mappings(attacked.pid))).sizes:
        pytest.skip("this kernel does not tell merged pages in smaps (before 6.7)")
    assert merged(control)[0] > 0
    assert merged(control)[1]
    assert merged(ours) == (0, False)
