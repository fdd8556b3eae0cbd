"""The time of a counted page lock against the bare system calls, and of verify_locks() over many secrets."""

from __future__ import annotations

import mmap
import statistics
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from securemem import Arena, LockLimitError, SecureBytes, locking
from tests.bench import peers
from tests.bench.measures import Count, Loop, Measure, NotMeasuredError, Outcome, Ratio, statement

if TYPE_CHECKING:
    from collections.abc import Iterator

LIVE = 100_000
READINGS = 15


@contextmanager
def lock_over_calls(*, alone: bool) -> Iterator[tuple[Loop, Loop]]:
    """A page that is a mapping of its own, or one that the kernel has to cut out of a larger mapping."""
    bare = peers.locks()
    memory = mmap.mmap(-1, (1 if alone else 3) * mmap.PAGESIZE)
    memory[:] = b"x" * len(memory)
    page = memoryview(memory)[0 if alone else mmap.PAGESIZE :][: mmap.PAGESIZE]
    yield (
        statement("mlock(page).unlock()", mlock=locking.mlock, page=page),
        statement(
            "mlock(page, 4096); munlock(page, 4096)",
            mlock=bare.lib.mlock,
            munlock=bare.lib.munlock,
            page=bare.ffi.from_buffer(page),
        ),
    )


def verify_milliseconds(at_rest: Literal["noaccess", "readwrite"]) -> Outcome:
    """verify_locks() with many secrets alive and nothing to repair, in this thread's time, for it never waits."""
    with Arena(at_rest=at_rest) as arena:
        try:
            kept = [SecureBytes.zeros(32, arena=arena) for _ in range(LIVE)]
        except LockLimitError as error:
            raise NotMeasuredError(str(error)) from error
        times = []
        for _ in range(READINGS):
            start = time.thread_time()
            found = locking.verify_locks()
            times.append((time.thread_time() - start) * 1e3)
            assert found.intact
            assert found.secret_bytes > 32 * LIVE
        del kept
    return Outcome(statistics.median(times), f"ms, median of {READINGS}; {min(times):.1f} to {max(times):.1f}")


MEASURES: list[Measure] = [
    Ratio("mlock+unlock of a page / the two calls", lambda: lock_over_calls(alone=True), 1.5),
    Ratio("mlock+unlock inside a mapping / the two calls", lambda: lock_over_calls(alone=False), 1.5),
    Count(f"verify_locks() over {LIVE:,} open secrets, ms", lambda: verify_milliseconds("readwrite"), 10),
    Count(f"verify_locks() over {LIVE:,} closed secrets, ms", lambda: verify_milliseconds("noaccess"), 50),
]
