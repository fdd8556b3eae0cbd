"""What mlockall and munlockall are said to do."""

from __future__ import annotations

import os

from securemem.locking.specification import GLIBC, KERNEL, MAN, OLD
from securemem.testing.conformance._probe import ALL_ONFAULT, CURRENT, FUTURE, PAGE, PROT_NONE, Probe
from securemem.testing.conformance._rows import CannotStageError, row

_PLENTY = 1 << 20  # pages: more than this process has


@row("mlockall", "EINVAL where flags is 0", MAN, "EINVAL")
def _no_flags(probe: Probe) -> str:
    return probe.mlockall(0)


@row("mlockall", "EINVAL for an unknown flag", MAN, "EINVAL")
def _unknown(probe: Probe) -> str:
    return probe.mlockall(CURRENT | 8)


@row("mlockall", "EINVAL for MCL_ONFAULT alone", MAN, "EINVAL")
def _only_on_fault(probe: Probe) -> str:
    return probe.mlockall(ALL_ONFAULT)


@row("mlockall", "MCL_CURRENT locks what is mapped now and brings it in", MAN, "0 LL RR")
def _current(probe: Probe) -> str:
    probe.need_privilege()
    pages = probe.map(2)
    return f"{probe.mlockall(CURRENT)} {probe.flags(pages, 2)} {probe.resident(pages, 2)}"


@row("mlockall", "MCL_CURRENT counts the whole process as locked", KERNEL, "yes")
def _counted(probe: Probe) -> str:
    probe.need_privilege()
    probe.mlockall(CURRENT)
    return "yes" if probe.locked() >= probe.size() * 9 // 10 else f"{probe.locked()} of {probe.size()} pages"


@row("mlockall", "MCL_CURRENT does not lock what is mapped later", MAN, "0 .")
def _not_later(probe: Probe) -> str:
    probe.need_privilege()
    said = probe.mlockall(CURRENT)
    return f"{said} {probe.flags(probe.map(1))}"


@row("mlockall", "MCL_FUTURE locks what is mapped later, and brings it in", MAN, "0 LL RR")
def _future(probe: Probe) -> str:
    probe.need_privilege()
    said = probe.mlockall(FUTURE)
    pages = probe.map(2)
    return f"{said} {probe.flags(pages, 2)} {probe.resident(pages, 2)}"


@row("mlockall", "MCL_FUTURE alone does not lock what is mapped now", MAN, "0 .")
def _only_future(probe: Probe) -> str:
    probe.need_privilege()
    page = probe.map(1)
    return f"{probe.mlockall(FUTURE)} {probe.flags(page)}"


@row("mlockall", "MCL_ONFAULT with MCL_CURRENT brings nothing in, and locks at the first touch", MAN, "0 FF .. then R.")
def _current_on_fault(probe: Probe) -> str:
    probe.need_privilege()
    pages = probe.map(2)
    said = f"{probe.mlockall(CURRENT | ALL_ONFAULT)} {probe.flags(pages, 2)} {probe.resident(pages, 2)}"
    probe.touch(pages)
    return f"{said} then {probe.resident(pages, 2)}"


@row("mlockall", "MCL_ONFAULT with MCL_FUTURE makes new mappings locked on fault", MAN, "0 F .")
def _future_on_fault(probe: Probe) -> str:
    probe.need_privilege()
    said = probe.mlockall(FUTURE | ALL_ONFAULT)
    page = probe.map(1)
    return f"{said} {probe.flags(page)} {probe.resident(page)}"


@row("mlockall", "a later call without MCL_FUTURE undoes it", MAN, "L then .")
def _lost(probe: Probe) -> str:
    probe.need_privilege()
    probe.mlockall(FUTURE)
    before = probe.flags(probe.map(1))
    probe.mlockall(CURRENT)
    return f"{before} then {probe.flags(probe.map(1))}"


@row("mlockall", "a later call with MCL_FUTURE alone leaves the locks there are", KERNEL, "L")
def _kept(probe: Probe) -> str:
    probe.need_privilege()
    page = probe.map(1)
    probe.mlockall(CURRENT)
    probe.mlockall(FUTURE)
    return probe.flags(page)


@row("mlockall", "a later call with MCL_CURRENT ends the locking on fault", KERNEL, "F then L")
def _no_longer_on_fault(probe: Probe) -> str:
    probe.need_privilege()
    page = probe.map(1)
    probe.mlockall(CURRENT | ALL_ONFAULT)
    before = probe.flags(page)
    probe.mlockall(CURRENT)
    return f"{before} then {probe.flags(page)}"


@row("mlockall", "mappings without access are marked too, and are no error", KERNEL, "0 L")
def _no_access(probe: Probe) -> str:
    probe.need_privilege()
    page = probe.map(1, PROT_NONE)
    return f"{probe.mlockall(CURRENT)} {probe.flags(page)}"


@row("mlockall", "EPERM without privilege where the soft limit is 0", MAN, "EPERM EPERM", as_user=True)
def _limit_zero(probe: Probe) -> str:
    probe.limit(0)
    return f"{probe.mlockall(CURRENT)} {probe.mlockall(FUTURE)}"


@row("mlockall", "EPERM without CAP_IPC_LOCK, whatever the limit", OLD, "EPERM", as_user=True)
def _capability(probe: Probe) -> str:
    probe.limit(_PLENTY)
    return probe.mlockall(CURRENT)


@row("mlockall", "without privilege it works where the limit has room for the whole process", MAN, "0", as_user=True)
def _room(probe: Probe) -> str:
    probe.limit(_PLENTY)
    return probe.mlockall(CURRENT)


@row("mlockall", "ENOMEM without privilege where the process is larger than the limit", KERNEL, "ENOMEM", as_user=True)
def _too_large(probe: Probe) -> str:
    probe.limit(4)
    return probe.mlockall(CURRENT)


@row("mlockall", "a call that fails changes neither locks nor the mode", GLIBC, "ENOMEM, VmLck 0 .", as_user=True)
def _nothing_changed(probe: Probe) -> str:
    probe.limit(4)
    said = probe.mlockall(CURRENT | FUTURE)
    return f"{said}, VmLck {probe.locked()} {probe.flags(probe.map(1))}"


@row("mlockall", "without privilege MCL_FUTURE alone does not ask for room", KERNEL, "0", as_user=True)
def _future_needs_no_room(probe: Probe) -> str:
    probe.limit(4)
    return probe.mlockall(FUTURE)


@row("mlockall", "under MCL_FUTURE, mmap over the limit fails with EAGAIN", "mmap(2)", "EAGAIN", as_user=True)
@row("mlockall", "under MCL_FUTURE, what asks for memory over the limit fails with ENOMEM", OLD, "ENOMEM", as_user=True)
def _mmap(probe: Probe) -> str:
    probe.limit(64)
    probe.mlockall(FUTURE)
    return probe.try_map(256)[1]


@row("mlockall", "under MCL_FUTURE, brk over the limit fails with ENOMEM", OLD, "ENOMEM", as_user=True)
def _brk(probe: Probe) -> str:
    probe.limit(64)
    probe.mlockall(FUTURE)
    return probe.grow_heap(256)


@row("mlockall", "a locked stack that grows past the limit gets SIGSEGV", OLD, "0 then SIGSEGV", as_user=True)
def _stack(probe: Probe) -> str:
    start, end = _stack_bounds()
    probe.limit((end - start) // PAGE + 8)
    said = probe.mlock(start, end - start)

    def grow() -> str:
        probe.mlock(start, end - start)  # locks are not inherited
        probe.touch(start - 64 * PAGE)
        return "the stack grew"

    return f"{said} then {probe.in_child(grow)}"


def _stack_bounds() -> tuple[int, int]:
    with open("/proc/self/maps", encoding="utf-8") as lines:  # noqa: PTH123 - a stream of lines
        for line in lines:
            if line.rstrip().endswith("[stack]"):
                start, _, end = line.split()[0].partition("-")
                return int(start, 16), int(end, 16)
    raise CannotStageError("the kernel names no stack in /proc/self/maps")


@row("mlockall", "MCL_FUTURE is not inherited by a child", MAN, "L in the parent, . in the child")
def _fork(probe: Probe) -> str:
    probe.need_privilege()
    probe.mlockall(FUTURE)
    own = probe.flags(probe.map(1))
    return f"{own} in the parent, {probe.in_child(lambda: probe.flags(probe.map(1)))} in the child"


@row("mlockall", "exec clears MCL_FUTURE and the locks", MAN, "VmLck 0")
def _exec(probe: Probe) -> str:
    probe.need_privilege()
    return probe.in_new_program(lambda: probe.mlockall(CURRENT | FUTURE))


@row("mlockall", "who gives up privilege after MCL_FUTURE meets the limit at the next mapping", MAN, "0 then EAGAIN")
def _dropped(probe: Probe) -> str:
    probe.need_privilege()
    probe.limit(64)
    probe.mlockall(FUTURE)
    before = probe.try_map(256)[1]
    probe.become_user()
    return f"{before} then {probe.try_map(256)[1]}"


@row("mlockall", "_POSIX_MEMLOCK is above 0", "POSIX", "yes")
def _posix(probe: Probe) -> str:
    del probe
    return "yes" if os.sysconf("SC_MEMLOCK") > 0 else "no"


# munlockall


@row("munlockall", "success is 0, and VmLck is 0", MAN, "0, VmLck 0")
def _all_unlocked(probe: Probe) -> str:
    probe.mlock(probe.map(3), 3 * PAGE)
    said = probe.munlockall()
    return f"{said}, VmLck {probe.locked()}"


@row("munlockall", "VM_LOCKED is taken away from every mapping", KERNEL, "L then .")
def _every_mapping(probe: Probe) -> str:
    probe.need_privilege()
    page = probe.map(1)
    probe.mlockall(CURRENT)
    before = probe.flags(page)
    probe.munlockall()
    return f"{before} then {probe.flags(page)}"


@row("munlockall", "it undoes the locks of mlock and mlock2", MAN, "LF then ..")
def _of_mlock(probe: Probe) -> str:
    pages = probe.map(2)
    probe.mlock(pages, PAGE)
    probe.mlock2(pages + PAGE, PAGE, 1)
    before = probe.flags(pages, 2)
    probe.munlockall()
    return f"{before} then {probe.flags(pages, 2)}"


@row("munlockall", "it ends the locking of future mappings", MAN, "L then .")
def _future_ends(probe: Probe) -> str:
    probe.need_privilege()
    probe.mlockall(FUTURE)
    before = probe.flags(probe.map(1))
    probe.munlockall()
    return f"{before} then {probe.flags(probe.map(1))}"


@row("munlockall", "no privilege is needed", KERNEL, "0", as_user=True)
def _no_privilege(probe: Probe) -> str:
    probe.limit(0)
    return probe.munlockall()


@row("munlockall", "it may be called where nothing is locked", MAN, "0")
def _nothing(probe: Probe) -> str:
    probe.munlockall()
    return probe.munlockall()


@row("munlockall", "pages stay in RAM until memory is short", KERNEL, "R")
def _stay(probe: Probe) -> str:
    page = probe.map(1)
    probe.mlock(page, PAGE)
    probe.munlockall()
    return probe.resident(page)


@row("munlockall", "a child's call leaves the parent's locks", MAN, "L")
def _child(probe: Probe) -> str:
    page = probe.map(1)
    probe.mlock(page, PAGE)
    probe.in_child(probe.munlockall)
    return probe.flags(page)
