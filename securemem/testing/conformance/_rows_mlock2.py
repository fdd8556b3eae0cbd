"""What mlock2 is said to do, beside what it shares with mlock."""

from __future__ import annotations

from securemem.locking.specification import KERNEL, MAN
from securemem.testing.conformance._probe import ONFAULT, PAGE, PROT_NONE, Probe
from securemem.testing.conformance._rows import row


@row("mlock2", "without flags it is mlock", MAN, "0 LL RR")
def _plain(probe: Probe) -> str:
    pages = probe.map(2)
    return f"{probe.mlock2(pages, 2 * PAGE, 0)} {probe.flags(pages, 2)} {probe.resident(pages, 2)}"


@row("mlock2", "MLOCK_ONFAULT brings no page in", MAN, "0 ..")
def _not_resident(probe: Probe) -> str:
    pages = probe.map(2)
    return f"{probe.mlock2(pages, 2 * PAGE, ONFAULT)} {probe.resident(pages, 2)}"


@row("mlock2", "MLOCK_ONFAULT sets VM_LOCKED and VM_LOCKONFAULT", KERNEL, "F")
def _flags(probe: Probe) -> str:
    page = probe.map(1)
    probe.mlock2(page, PAGE, ONFAULT)
    return probe.flags(page)


@row("mlock2", "MLOCK_ONFAULT counts the whole range at once", KERNEL, "VmLck +3")
def _charge(probe: Probe) -> str:
    before, pages = probe.locked(), probe.map(3)
    probe.mlock2(pages, 3 * PAGE, ONFAULT)
    return f"VmLck {probe.locked() - before:+d}"


@row("mlock2", "under MLOCK_ONFAULT a page is locked when it is touched", MAN, "R. MU")
def _touched(probe: Probe) -> str:
    pages = probe.map(2)
    probe.mlock2(pages, 2 * PAGE, ONFAULT)
    probe.touch(pages)
    return f"{probe.resident(pages, 2)} {probe.page_flags_become(pages, 'MU')}"


@row("mlock2", "under MLOCK_ONFAULT a page that is in RAM is locked at once", MAN, "MU")
def _there_already(probe: Probe) -> str:
    page = probe.map(1)
    probe.touch(page)
    probe.mlock2(page, PAGE, ONFAULT)
    return probe.page_flags_become(page, "MU")


@row("mlock2", "EINVAL for an unknown flag", MAN, "EINVAL .")
def _unknown(probe: Probe) -> str:
    page = probe.map(1)
    return f"{probe.mlock2(page, PAGE, 2)} {probe.flags(page)}"


@row("mlock2", "ENOMEM where a page is not mapped", MAN, "ENOMEM")
def _unmapped(probe: Probe) -> str:
    pages = probe.map(2)
    probe.unmap(pages + PAGE, 1)
    return probe.mlock2(pages, 2 * PAGE, ONFAULT)


@row("mlock2", "MLOCK_ONFAULT takes pages without access", KERNEL, "0 F")
def _no_access(probe: Probe) -> str:
    page = probe.map(1, PROT_NONE)
    return f"{probe.mlock2(page, PAGE, ONFAULT)} {probe.flags(page)}"


@row("mlock2", "EINVAL where addr + len runs over", MAN, "EINVAL")
def _overflow(probe: Probe) -> str:
    return probe.mlock2(probe.map(1), 2**64 - 2 * PAGE, ONFAULT)


@row("mlock2", "EPERM without privilege where the soft limit is 0", MAN, "EPERM", as_user=True)
def _limit_zero(probe: Probe) -> str:
    probe.limit(0)
    return probe.mlock2(probe.map(1), PAGE, ONFAULT)


@row("mlock2", "ENOMEM without privilege above the soft limit, on fault too", MAN, "ENOMEM", as_user=True)
def _above(probe: Probe) -> str:
    probe.limit(1)
    return probe.mlock2(probe.map(2), 2 * PAGE, ONFAULT)


@row("mlock2", "addr is rounded down and the end up", MAN, "0 FF.")
def _rounds(probe: Probe) -> str:
    pages = probe.map(3)
    return f"{probe.mlock2(pages + 5, PAGE, ONFAULT)} {probe.flags(pages, 3)}"


@row("mlock2", "a later mlock ends the locking on fault, and brings the pages in", KERNEL, "F. then LR")
def _then_mlock(probe: Probe) -> str:
    page = probe.map(1)
    probe.mlock2(page, PAGE, ONFAULT)
    before = probe.flags(page) + probe.resident(page)
    probe.mlock(page, PAGE)
    return f"{before} then {probe.flags(page)}{probe.resident(page)}"


@row("mlock2", "a child made by fork has no lock on fault", MAN, ".")
def _fork(probe: Probe) -> str:
    page = probe.map(1)
    probe.mlock2(page, PAGE, ONFAULT)
    return probe.in_child(lambda: probe.flags(page))
