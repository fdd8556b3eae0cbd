"""Reads a secret's protection back from the kernel's own account of its pages."""

from __future__ import annotations

from securemem._memory_map import Mapping, parsed
from securemem.protection import Protection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

BACKENDS: tuple[Literal["mlock", "memfd_secret"], ...] = ("mlock", "memfd_secret")


def _fork_policy(flags: frozenset[str], *, inherited: bool) -> Literal["excluded", "zeroed", "inherited"]:
    if inherited:
        return "inherited"
    if "dc" in flags:
        return "excluded"
    return "zeroed" if "wf" in flags else "inherited"


def _stays_in_ram(mapping: Mapping) -> bool:
    """Whether a mapping is locked and holds a frame for each page, which `lf`, locked on fault, does not promise."""
    kept = "lo" in mapping.flags or mapping.name == "/secretmem (deleted)"
    return kept and mapping.sizes.get("Rss", 0) * 1024 >= mapping.end - mapping.start


def _covering(every: Sequence[Mapping], start: int, end: int) -> list[Mapping]:
    return [one for one in every if one.start < end and one.end > start]


def read_protection(
    smaps: bytes,
    pages: int,
    length: int,
    guard_before: int,
    guard_after: int,
    backend: int,
    stuck: bool,
    inherited: bool,
    /,
) -> Protection:
    """The protection of a secret's pages, by the text of /proc/self/smaps."""
    every = [one for one in parsed(smaps) if one.end > guard_before and one.start <= guard_after]
    here = _covering(every, pages, pages + length)
    guards = _covering(every, guard_before, guard_before + 1) + _covering(every, guard_after, guard_after + 1)
    common = frozenset.intersection(*(one.flags for one in here)) if here else frozenset()
    some = frozenset.union(*(one.flags for one in here)) if here else frozenset()
    return Protection(
        locked=bool(here) and all(map(_stays_in_ram, here)),
        dump_excluded="dd" in common,
        fork_policy=_fork_policy(common, inherited=inherited),
        backend=BACKENDS[backend],
        guarded=len(guards) == 2 and not any(one.accessible for one in guards),  # noqa: PLR2004 - below and above
        closed=not any(one.accessible for one in here),
        mergeable="mg" in some,
        huge_pages=any(one.sizes.get("THPeligible", 0) or one.sizes.get("AnonHugePages", 0) for one in here),
        blocks_hibernation=BACKENDS[backend] == "memfd_secret",
        failed_close=stuck,
        fork_excluded="dc" in common,
    )
