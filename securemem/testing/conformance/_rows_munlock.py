"""What munlock is said to do."""

from __future__ import annotations

import os

from securemem.locking.specification import GLIBC, KERNEL, MAN
from securemem.testing.conformance._probe import CURRENT, MAP_SHARED, ONFAULT, PAGE, READ_WRITE, Probe
from securemem.testing.conformance._rows import row


def _locked(probe: Probe, pages: int) -> int:
    start = probe.map(pages)
    probe.touch(start, pages)
    probe.mlock(start, pages * PAGE)
    return start


@row("munlock", "success is 0, and VmLck falls by the pages", MAN, "0, VmLck +0")
def _falls(probe: Probe) -> str:
    before, pages = probe.locked(), _locked(probe, 2)
    said = probe.munlock(pages, 2 * PAGE)
    return f"{said}, VmLck {probe.locked() - before:+d}"


@row("munlock", "VM_LOCKED is taken away", KERNEL, "L then .")
def _flag(probe: Probe) -> str:
    page = _locked(probe, 1)
    before = probe.flags(page)
    probe.munlock(page, PAGE)
    return f"{before} then {probe.flags(page)}"


@row("munlock", "VM_LOCKONFAULT is taken away", KERNEL, "F then .")
def _flag_on_fault(probe: Probe) -> str:
    page = probe.map(1)
    probe.mlock2(page, PAGE, ONFAULT)
    before = probe.flags(page)
    probe.munlock(page, PAGE)
    return f"{before} then {probe.flags(page)}"


@row("munlock", "PG_mlocked is taken away, and the page leaves the unevictable list", KERNEL, "MU then -")
def _page_flags(probe: Probe) -> str:
    page = _locked(probe, 1)
    before = probe.page_flags_become(page, "MU")
    probe.munlock(page, PAGE)
    return f"{before} then {probe.page_flags_become(page, '-')}"


@row("munlock", "memory that is not locked may be unlocked", MAN, "0")
def _not_locked(probe: Probe) -> str:
    return probe.munlock(probe.map(1), PAGE)


@row("munlock", "ENOMEM where a page is not mapped", MAN, "ENOMEM")
def _unmapped(probe: Probe) -> str:
    pages = _locked(probe, 3)
    probe.unmap(pages + PAGE, 1)
    return probe.munlock(pages, 3 * PAGE)


@row("munlock", "a call that fails changes no lock", GLIBC, "ENOMEM L L")
def _partial(probe: Probe) -> str:
    pages = _locked(probe, 3)
    probe.unmap(pages + PAGE, 1)
    return f"{probe.munlock(pages, 3 * PAGE)} {probe.flags(pages)} {probe.flags(pages + 2 * PAGE)}"


@row("munlock", "EINVAL where addr + len runs over", MAN, "EINVAL")
def _overflow(probe: Probe) -> str:
    return probe.munlock(_locked(probe, 1), 2**64 - 2 * PAGE)


@row("munlock", "addr is rounded down to a page", KERNEL, "0 .L")
def _rounds_down(probe: Probe) -> str:
    pages = _locked(probe, 2)
    return f"{probe.munlock(pages + 9, 1)} {probe.flags(pages, 2)}"


@row("munlock", "the end of the range is rounded up to a page", KERNEL, "0 ..L")
def _rounds_up(probe: Probe) -> str:
    pages = _locked(probe, 3)
    return f"{probe.munlock(pages, PAGE + 1)} {probe.flags(pages, 3)}"


@row("munlock", "len may be 0: nothing is unlocked", KERNEL, "0 L")
@row("munlock", "EINVAL where len is not positive", GLIBC, "EINVAL L")
def _empty(probe: Probe) -> str:
    page = _locked(probe, 1)
    return f"{probe.munlock(page, 0)} {probe.flags(page)}"


@row("munlock", "a part of a locked range can be unlocked", MAN, "0 L.L, VmLck +2")
def _part(probe: Probe) -> str:
    before, pages = probe.locked(), _locked(probe, 3)
    said = probe.munlock(pages + PAGE, PAGE)
    return f"{said} {probe.flags(pages, 3)}, VmLck {probe.locked() - before:+d}"


@row("munlock", "one call undoes any number of locks", KERNEL, ".")
def _many(probe: Probe) -> str:
    page = _locked(probe, 1)
    for _ in range(5):
        probe.mlock(page, PAGE)
    probe.munlock(page, PAGE)
    return probe.flags(page)


@row("munlock", "it undoes mlockall for its range", KERNEL, "L then .")
def _after_all(probe: Probe) -> str:
    probe.need_privilege()
    page = probe.map(1)
    probe.mlockall(CURRENT)
    before = probe.flags(page)
    probe.munlock(page, PAGE)
    return f"{before} then {probe.flags(page)}"


@row("munlock", "pages stay in RAM until memory is short", KERNEL, "R")
def _stay(probe: Probe) -> str:
    page = _locked(probe, 1)
    probe.munlock(page, PAGE)
    return probe.resident(page)


@row("munlock", "no privilege is needed: there is no EPERM", GLIBC, "0 .")
def _no_privilege(probe: Probe) -> str:
    probe.need_privilege()
    page = _locked(probe, 1)
    probe.limit(0)
    probe.become_user()
    return f"{probe.munlock(page, PAGE)} {probe.flags(page)}"


@row("munlock", "what a child unlocks stays locked in the parent", MAN, "L")
def _child(probe: Probe) -> str:
    page = _locked(probe, 1)
    probe.in_child(lambda: probe.munlock(page, PAGE))
    return probe.flags(page)


@row("munlock", "what was unlocked no longer counts against the limit", KERNEL, "0 ENOMEM 0 0", as_user=True)
def _room(probe: Probe) -> str:
    probe.limit(1)
    one, other = probe.map(1), probe.map(1)
    said = [probe.mlock(one, PAGE), probe.mlock(other, PAGE), probe.munlock(one, PAGE), probe.mlock(other, PAGE)]
    return " ".join(said)


@row("munlock", "a locked file page that another mapping locks stays mlocked", MAN, "MU")
def _other_mapping(probe: Probe) -> str:
    file = os.memfd_create("conformance")
    os.truncate(file, PAGE)
    one, other = probe.map(1, READ_WRITE, MAP_SHARED, file), probe.map(1, READ_WRITE, MAP_SHARED, file)
    probe.touch(one)
    probe.touch(other)
    probe.mlock(one, PAGE)
    probe.mlock(other, PAGE)
    probe.munlock(one, PAGE)
    return probe.page_flags_become(other, "MU")
