"""What mlock is said to do."""

from __future__ import annotations

import os
import threading

from securemem.locking.specification import GLIBC, KERNEL, MAN
from securemem.testing.conformance._probe import (
    MAP_ANONYMOUS,
    MAP_LOCKED,
    MAP_PRIVATE,
    MAP_SHARED,
    PAGE,
    PROT_NONE,
    PROT_READ,
    READ_WRITE,
    Probe,
)
from securemem.testing.conformance._rows import row

_DONTNEED = 4
_ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS


def _growth(probe: Probe, said: str, before: int) -> str:
    return f"{said}, VmLck {probe.locked() - before:+d}"


@row("mlock", "success is 0, and VmLck grows by a page", MAN, "0, VmLck +1")
def _one_page(probe: Probe) -> str:
    before, page = probe.locked(), probe.map(1)
    return _growth(probe, probe.mlock(page, PAGE), before)


@row("mlock", "the mapping gets VM_LOCKED", KERNEL, "0 L")
def _vm_locked(probe: Probe) -> str:
    page = probe.map(1)
    return f"{probe.mlock(page, PAGE)} {probe.flags(page)}"


@row("mlock", "writable pages that were never touched are in RAM when it returns", MAN, "... then RRR")
def _resident(probe: Probe) -> str:
    pages = probe.map(3)
    before = probe.resident(pages, 3)
    probe.mlock(pages, 3 * PAGE)
    return f"{before} then {probe.resident(pages, 3)}"


@row("mlock", "all pages are in RAM when it returns, those never written and read-only too", MAN, "R")
def _resident_read_only(probe: Probe) -> str:
    page = probe.map(1, PROT_READ)
    probe.mlock(page, PAGE)
    return probe.resident(page)


@row("mlock", "PG_mlocked is set, and the page goes to the unevictable list", KERNEL, "MU")
def _page_flags(probe: Probe) -> str:
    page = probe.map(1)
    probe.touch(page)
    probe.mlock(page, PAGE)
    return probe.page_flags_become(page, "MU")


@row("mlock", "addr is rounded down to a page", MAN, "0 L.")
def _rounds_down(probe: Probe) -> str:
    pages = probe.map(2)
    return f"{probe.mlock(pages + 100, 8)} {probe.flags(pages, 2)}"


@row("mlock", "the end of the range is rounded up to a page", MAN, "0 LL.")
def _rounds_up(probe: Probe) -> str:
    pages = probe.map(3)
    return f"{probe.mlock(pages, PAGE + 1)} {probe.flags(pages, 3)}"


@row("mlock", "two bytes on either side of a border lock both pages", MAN, "0 LL")
def _across(probe: Probe) -> str:
    pages = probe.map(2)
    return f"{probe.mlock(pages + PAGE - 1, 2)} {probe.flags(pages, 2)}"


@row("mlock", "len may be 0: nothing is locked", KERNEL, "0 .")
@row("mlock", "EINVAL where len is not positive", GLIBC, "EINVAL .")
def _empty(probe: Probe) -> str:
    page = probe.map(1)
    return f"{probe.mlock(page, 0)} {probe.flags(page)}"


@row("mlock", "ENOMEM where the first page is not mapped", MAN, "ENOMEM")
def _unmapped(probe: Probe) -> str:
    pages = probe.map(2)
    probe.unmap(pages, 1)
    return probe.mlock(pages, 2 * PAGE)


@row("mlock", "ENOMEM where a page in the middle is not mapped", MAN, "ENOMEM")
def _hole(probe: Probe) -> str:
    pages = probe.map(3)
    probe.unmap(pages + PAGE, 1)
    return probe.mlock(pages, 3 * PAGE)


@row("mlock", "a call that fails changes no lock", GLIBC, "ENOMEM . .")
def _partial(probe: Probe) -> str:
    pages = probe.map(3)
    probe.unmap(pages + PAGE, 1)
    return f"{probe.mlock(pages, 3 * PAGE)} {probe.flags(pages)} {probe.flags(pages + 2 * PAGE)}"


@row("mlock", "ENOMEM where a page has no access", MAN, "ENOMEM")
def _no_access(probe: Probe) -> str:
    return probe.mlock(probe.map(1, PROT_NONE), PAGE)


@row("mlock", "after that failure neither lock nor charge stay", GLIBC, "., VmLck +0")
def _no_access_charge(probe: Probe) -> str:
    before, page = probe.locked(), probe.map(1, PROT_NONE)
    probe.mlock(page, PAGE)
    return _growth(probe, probe.flags(page), before)


@row("mlock", "EINVAL where addr + len runs over", MAN, "EINVAL")
def _overflow(probe: Probe) -> str:
    return probe.mlock(probe.map(1), 2**64 - 2 * PAGE)


@row("mlock", "ENOMEM for a range of LONG_MAX bytes", MAN, "ENOMEM")
def _huge(probe: Probe) -> str:
    return probe.mlock(probe.map(1), 2**63 - 1 - PAGE)


@row("mlock", "EPERM without privilege where the soft limit is 0", MAN, "EPERM", as_user=True)
def _limit_zero(probe: Probe) -> str:
    probe.limit(0)
    return probe.mlock(probe.map(1), PAGE)


@row("mlock", "ENOMEM without privilege above the soft limit", MAN, "ENOMEM", as_user=True)
def _above_limit(probe: Probe) -> str:
    probe.limit(2)
    return probe.mlock(probe.map(3), 3 * PAGE)


@row("mlock", "exactly the soft limit may be locked", MAN, "0", as_user=True)
def _at_limit(probe: Probe) -> str:
    probe.limit(2)
    return probe.mlock(probe.map(2), 2 * PAGE)


@row("mlock", "the limit counts whole pages: of one and a half, one", MAN, "0 then ENOMEM", as_user=True)
def _half_page(probe: Probe) -> str:
    probe.limit(1.5)
    pages = probe.map(2)
    return f"{probe.mlock(pages, PAGE)} then {probe.mlock(pages + PAGE, PAGE)}"


@row("mlock", "the limit is on what the process locks in all", MAN, "0 0 ENOMEM", as_user=True)
def _in_all(probe: Probe) -> str:
    probe.limit(2)
    return " ".join(probe.mlock(probe.map(1), PAGE) for _ in range(3))


@row("mlock", "a page that is locked already is not counted again (since Linux 4.9)", MAN, "0 0", as_user=True)
def _not_twice(probe: Probe) -> str:
    probe.limit(2)
    pages = probe.map(2)
    return f"{probe.mlock(pages, PAGE)} {probe.mlock(pages, 2 * PAGE)}"


@row("mlock", "what lies locked stays so when the limit falls", MAN, "0 L then ENOMEM", as_user=True)
def _limit_falls(probe: Probe) -> str:
    probe.limit(2)
    pages = probe.map(2)
    said = probe.mlock(pages, PAGE)
    probe.limit(1)
    return f"{said} {probe.flags(pages)} then {probe.mlock(pages + PAGE, PAGE)}"


@row("mlock", "privilege lifts the limit", MAN, "0")
def _privileged(probe: Probe) -> str:
    probe.need_privilege()
    probe.limit(0)
    return probe.mlock(probe.map(1), PAGE)


@row("mlock", "only the superuser may lock", GLIBC, "EPERM", as_user=True)
def _as_user(probe: Probe) -> str:
    probe.limit(2)
    return probe.mlock(probe.map(1), PAGE)


@row("mlock", "locks do not stack: two locks, one munlock", MAN, "L then .")
def _do_not_stack(probe: Probe) -> str:
    page = probe.map(1)
    probe.mlock(page, PAGE)
    probe.mlock(page, PAGE)
    before = probe.flags(page)
    probe.munlock(page, PAGE)
    return f"{before} then {probe.flags(page)}"


@row("mlock", "locking again does not add to VmLck", MAN, "0, VmLck +1")
def _again(probe: Probe) -> str:
    before, page = probe.locked(), probe.map(1)
    probe.mlock(page, PAGE)
    return _growth(probe, probe.mlock(page, PAGE), before)


@row("mlock", "a child made by fork has no lock", MAN, ". VmLck 0")
def _fork(probe: Probe) -> str:
    page = probe.map(1)
    probe.mlock(page, PAGE)
    return probe.in_child(lambda: f"{probe.flags(page)} VmLck {probe.locked()}")


@row("mlock", "the parent keeps its lock over a fork, and for the copy that it writes", MAN, "L MU")
def _fork_parent(probe: Probe) -> str:
    page = probe.map(1)
    probe.touch(page)
    probe.mlock(page, PAGE)
    probe.in_child(lambda: probe.munlock(page, PAGE))
    probe.touch(page, value=2)
    return f"{probe.flags(page)} {probe.page_flags_become(page, 'MU')}"


@row("mlock", "exec removes the locks", MAN, "VmLck 0")
def _exec(probe: Probe) -> str:
    return probe.in_new_program(lambda: probe.mlock(probe.map(1), PAGE))


@row("mlock", "munmap removes the lock of what it unmaps", MAN, "0, VmLck +1")
def _munmap(probe: Probe) -> str:
    before, pages = probe.locked(), probe.map(2)
    said = probe.mlock(pages, 2 * PAGE)
    probe.unmap(pages, 1)
    return _growth(probe, said, before)


@row("mlock", "a page mapped twice stays mlocked while one of the two is locked", MAN, "MU")
def _two_places(probe: Probe) -> str:
    page = probe.map(1, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS)
    probe.touch(page)
    probe.mlock(page, PAGE)

    def lock_and_unlock() -> str:
        probe.mlock(page, PAGE)
        probe.munlock(page, PAGE)
        return "done"

    probe.in_child(lock_and_unlock)
    return probe.page_flags_become(page, "MU")


@row("mlock", "what mmap locks with MAP_LOCKED counts in VmLck too", MAN, "L, VmLck +1")
def _map_locked(probe: Probe) -> str:
    before = probe.locked()
    page = probe.map(1, READ_WRITE, _ANONYMOUS | MAP_LOCKED)
    return _growth(probe, probe.flags(page), before)


@row("mlock", "the lock stays when the access changes", KERNEL, "L L")
def _mprotect(probe: Probe) -> str:
    page = probe.map(1)
    probe.mlock(page, PAGE)
    probe.protect(page, 1, PROT_NONE)
    before = probe.flags(page)
    probe.protect(page, 1, PROT_READ)
    return f"{before} {probe.flags(page)}"


@row("mlock", "locked pages cannot be given away: madvise(MADV_DONTNEED) is EINVAL", "madvise(2)", "EINVAL")
def _dontneed(probe: Probe) -> str:
    page = probe.map(1)
    probe.mlock(page, PAGE)
    return probe.advise(page, 1, _DONTNEED)


@row("mlock", "a locked mapping that mremap grows is locked as a whole", "mremap(2)", "LLL RRR, VmLck +3")
def _mremap(probe: Probe) -> str:
    before, page = probe.locked(), probe.map(1)
    probe.mlock(page, PAGE)
    moved = probe.grow(page, 1, 3)
    return _growth(probe, f"{probe.flags(moved, 3)} {probe.resident(moved, 3)}", before)


@row("mlock", "a lock is the process's, not the thread's: it outlives its thread", MAN, "L")
def _thread(probe: Probe) -> str:
    page = probe.map(1)
    thread = threading.Thread(target=probe.mlock, args=(page, PAGE))
    thread.start()
    thread.join()
    return probe.flags(page)


@row("mlock", "ENOMEM for a page past the end of its file", MAN, "ENOMEM")
def _past_end(probe: Probe) -> str:
    file = os.memfd_create("conformance")
    os.truncate(file, PAGE)
    return probe.mlock(probe.map(2, PROT_READ, MAP_SHARED, file), 2 * PAGE)


@row("mlock", "SIGBUS for a locked page whose file was cut", KERNEL, "SIGBUS")
def _sigbus(probe: Probe) -> str:
    file = os.memfd_create("conformance")
    os.truncate(file, PAGE)
    page = probe.map(1, PROT_READ, MAP_SHARED, file)
    probe.mlock(page, PAGE)
    os.truncate(file, 0)
    return probe.in_child(lambda: str(probe.read(page)))


@row("mlock", "_POSIX_MEMLOCK_RANGE and the size of a page are known", "POSIX", "yes")
def _posix(probe: Probe) -> str:
    del probe
    return "yes" if os.sysconf("SC_MEMLOCK_RANGE") > 0 and os.sysconf("SC_PAGESIZE") == PAGE else "no"
