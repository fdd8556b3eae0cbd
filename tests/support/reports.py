"""Made-up reports, for the doctor's judgement and its page."""

from __future__ import annotations

from typing import TypeVar

from securemem._frozen import Frozen
from securemem.process._facts import (
    Cgroup,
    Container,
    Cores,
    Interpreter,
    Locking,
    Pages,
    Platform,
    Report,
    SecretMemory,
    Swap,
    SwapDevice,
    Tracing,
)

Kind = TypeVar("Kind", bound=Frozen)
MIB = 1 << 20


def replace(one: Kind, **changes: object) -> Kind:
    """The same with some fields changed, as copy.replace of Python 3.13 makes it."""
    return one.__replace__(**changes)


GOOD = Report(
    platform=Platform("6.8.0", "x86_64", "glibc 2.39", 4096, 1000, hibernation=False),
    locking=Locking(8 * MIB, 8 * MIB, unlimited=False, locked=0, secrets_of_32=208_896, refusal=None),
    swap=Swap((), zswap=False, swappiness=60),
    cgroup=Cgroup(2, "/", None, None),
    cores=Cores(0, None, "core", 0, 0),
    tracing=Tracing(1, 0, may_trace_others=False),
    secret_memory=SecretMemory(available=True, error=None),
    pages=Pages(0, merged_by_default=False, huge_pages="madvise", max_mappings=65530, mappings=100),
    container=Container(None, user_namespace=False),
    interpreter=Interpreter(
        "3.13.0", "malloc", wipes_freed=True, clears_stack=65536, spills=(), remote_debugging=False
    ),
)
DISK = SwapDevice("/dev/sda2", MIB, 0, in_memory=False, encrypted=False)
DUMPABLE = replace(GOOD, cores=replace(GOOD.cores, dumpable=1))


def with_part(part, base=GOOD, /, **changes):
    """The good report with some fields of a part changed."""
    return replace(base, **{part: replace(getattr(base, part), **changes)})
