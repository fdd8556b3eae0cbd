"""The parts of scale.py that need a process of their own: prints one JSON object. Run by scale.py."""

from __future__ import annotations

import itertools
import json
import os
import sys

from securemem import Arena, LockLimitError, SecureBytes
from securemem._memory_map import mappings as mappings_of
from tests.support.ordinary_user import become

PAGE = os.sysconf("SC_PAGE_SIZE")


def capacity(limit: int) -> dict[str, int]:
    """Secrets that can be made, in the default arena's policies, before LockLimitError."""
    become(limit)
    with Arena() as arena:
        fits = arena.fits(32)
        kept: list[SecureBytes] = []
        try:
            kept.extend(SecureBytes.zeros(32, arena=arena) for _ in itertools.count())
        except LockLimitError:
            statistics = arena.statistics()
        if statistics.locked_bytes != statistics.page_bytes or not statistics.process_locked <= limit:
            raise RuntimeError("not all pages are locked")
        return {"secrets": len(kept), "locked": statistics.locked_bytes, "fits": fits}


def _ours() -> int:
    """Mappings neither dumped nor inherited: the core's pages and guards, and no others of this process."""
    return sum({"dd", "dc"} <= one.flags for one in mappings_of())


def mappings(count: int) -> dict[str, int]:
    """Mappings that so many closed secrets add, and their pages; the last one must be in order."""
    before = _ours()
    with Arena() as arena:
        kept = [SecureBytes.zeros(32, arena=arena) for _ in range(count)]
        added = _ours() - before
        last = kept[-1]
        with last.reveal(writable=True) as view:
            view[:] = b"\xa5" * 32
        protection = last.protection
        if last != b"\xa5" * 32 or not (protection.locked and protection.closed and protection.guarded):
            raise RuntimeError(f"the last secret is not in order: {protection}")
        return {"mappings": added, "pages": arena.statistics().locked_bytes // PAGE}


WORK = {"capacity": capacity, "mappings": mappings}

if __name__ == "__main__":
    print(json.dumps(WORK[sys.argv[1]](*map(int, sys.argv[2:]))))
