"""How many secrets there is room for, and whether the last costs what the first did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from securemem import Arena, SecureBytes
from tests.bench.measures import Count, Loop, Measure, NotMeasuredError, Outcome, Ratio, statement

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW = 1_000
MANY = 1_000_000
MEBIBYTE = 1 << 20


def _child(work: str, *arguments: int) -> dict[str, int]:
    """What a child program (scale_child.py) found; a process of its own, since it may give up its rights."""
    command = [sys.executable, "-m", "tests.bench.scale_child", work, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last_words = (done.stderr.strip().splitlines() or [""])[-1]
        kind = NotMeasuredError if "LockLimitError" in last_words or "CAP_IPC_LOCK" in last_words else RuntimeError
        raise kind(f"the child ended with {done.returncode}: {last_words}")
    return json.loads(done.stdout)


def live_at(limit: int) -> Outcome:
    """Secrets of 32 bytes that an ordinary user can hold under a RLIMIT_MEMLOCK, all of them locked."""
    found = _child("capacity", limit)
    return Outcome(
        found["secrets"], f"{found['locked']:,} bytes locked of {limit:,}; fits() foretold {found['fits']:,}"
    )


def mappings_per_page() -> Outcome:
    """Kernel mappings that 20,000 closed secrets took, over the pages locked for them.

    n pages between guards are 2n + 1 mappings: the guard that closes the row is counted apart.
    """
    found = _child("mappings", 20_000)
    each = (found["mappings"] - 1) / found["pages"]
    return Outcome(each, f"{found['mappings']:,} mappings, {found['pages']:,} pages, one closing guard")


def share_of_mappings() -> Outcome:
    """The share of vm.max_map_count that a million closed secrets take; the child checks that the last one is right."""
    found = _child("mappings", MANY)
    most = int(Path("/proc/sys/vm/max_map_count").read_text(encoding="utf-8"))
    detail = f"{found['mappings']:,} mappings of {most:,}; the last secret written, read back, locked and closed"
    return Outcome(found["mappings"] / most, detail)


def _bound_by_limit() -> bool:
    return os.geteuid() != 0


def _fill(arena: Arena, count: int) -> list[SecureBytes]:
    if _bound_by_limit() and arena.fits(32) < count:
        raise NotMeasuredError(f"{count:,} secrets need root or a higher RLIMIT_MEMLOCK")
    zeros = SecureBytes.zeros
    return [zeros(32, arena=arena) for _ in range(count)]


def _append(arena: Arena, kept: list[SecureBytes], count: int) -> float:
    """Seconds that `count` more take."""
    zeros, append = SecureBytes.zeros, kept.append
    begin = time.perf_counter()
    for _ in range(count):
        append(zeros(32, arena=arena))
    return time.perf_counter() - begin


@contextmanager
def append(at_rest: str = "readwrite") -> Iterator[tuple[Loop, Loop]]:
    """Secrets around the 1,000,000th, against those around the 1,000th of fresh arenas; growth and its calls included.

    6,528 repetitions fill one run of 64 pages, so that each sample at the far end has just one growth. The fresh
    arenas are kept, so that memory is as new to the process on one side as on the other.
    """
    beginnings: list[list[SecureBytes]] = []
    with Arena(at_rest=at_rest) as arena:
        kept = _fill(arena, MANY - 22 * 6_528)

        def late(count: int) -> float:
            return _append(arena, kept, count) / count

        def early(count: int) -> float:
            seconds = 0.0
            for _ in range(count // FEW):
                fresh = Arena(at_rest=at_rest)
                begun = _fill(fresh, FEW // 2)
                seconds += _append(fresh, begun, FEW)
                beginnings.append(begun)
            return seconds / (count // FEW * FEW)

        yield late, early


@contextmanager
def churn(at_rest: str = "readwrite") -> Iterator[tuple[Loop, Loop]]:
    """One more made and dropped beside 1,000,000, against beside 1,000."""
    with Arena(at_rest=at_rest) as crowded, Arena(at_rest=at_rest) as quiet:
        kept = [_fill(crowded, MANY - 1), _fill(quiet, FEW - 1)]
        code = "zeros(32, arena=arena)"
        yield (
            statement(code, zeros=SecureBytes.zeros, arena=crowded),
            statement(code, zeros=SecureBytes.zeros, arena=quiet),
        )
        kept.clear()


@contextmanager
def write_past_share() -> Iterator[tuple[Loop, Loop]]:
    """A write to a closed secret in a run without guards between its pages, against one with them."""
    with Arena() as arena:
        kept = _fill(arena, MANY)
        code = "with secret.reveal(True) as view: view[0] = 1"
        yield statement(code, secret=kept[-FEW]), statement(code, secret=kept[FEW])
        kept.clear()


MEASURES: list[Measure] = [
    Count("live 32-byte secrets at 8 MiB, ordinary user", lambda: live_at(8 * MEBIBYTE), 200_000, "at least"),
    Count("live 32-byte secrets at 64 KiB, ordinary user", lambda: live_at(64 * 1024), 1_500, "at least"),
    Ratio("the 1,000,000th secret / the 1,000th: append", append, 1.5, repetitions=6_528),
    Ratio("the 1,000,000th secret / the 1,000th: append, closed", lambda: append("noaccess"), 1.5, repetitions=6_528),
    Ratio("the 1,000,000th secret / the 1,000th: churn", churn, 1.2),
    Count("mappings per locked page, 20,000 closed secrets, the closing guard apart", mappings_per_page, 2.0),
    Count("share of vm.max_map_count, 1,000,000 closed secrets", share_of_mappings, 0.26),
    Ratio("write to a closed secret past that share / before it", write_past_share, None),
]
