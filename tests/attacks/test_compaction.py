"""Compaction moves locked pages: mlock keeps them in RAM, not in place. Measured, as SECURITY.md states it."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from securemem._memory_map import mappings

PAGES = 1000
HOLD = """
keys = [SecureBytes.random(4000, arena=Arena(at_rest="readwrite", backend="{backend}")) for _ in range({count})]
stand_still()
"""


def frames(pid):
    """The page frames of the locked pages of a process, by address; skips where the kernel hides them."""
    found = {}
    with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
        for one in mappings(pid):
            if not one.locked:
                continue
            pages = range(one.start, one.end, 4096)
            entries = os.pread(pagemap.fileno(), 8 * len(pages), one.start // 4096 * 8)
            for page, (entry,) in zip(pages, struct.iter_unpack("<Q", entries), strict=True):
                if entry >> 63 and entry & (1 << 55) - 1:
                    found[page] = entry & (1 << 55) - 1
    return found


def test_locked_pages_may_be_moved(prey, record_property):
    """It is counted how many of a thousand were. Every one stays locked and in RAM; that is what is promised."""
    attacked = prey(HOLD.format(backend="mlock", count=PAGES))
    attacked.wait()
    before = frames(attacked.pid)
    if len(before) < PAGES:
        pytest.skip("the kernel hides the numbers of page frames (CAP_SYS_ADMIN is missing)")
    try:
        Path("/proc/sys/vm/compact_memory").write_text("1")
    except OSError as error:
        pytest.skip(f"memory cannot be compacted here: {error}")
    after = frames(attacked.pid)
    moved = sum(after[page] != frame for page, frame in before.items() if page in after)
    record_property("moved", f"{moved} of {len(before)}")
    assert set(before) <= set(after)
