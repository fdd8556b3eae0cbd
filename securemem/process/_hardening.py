"""Hardening of the process itself: what the kernel may write out, merge or show of it, as far as one call can say.

Sources: prctl(2) for PR_SET_DUMPABLE and PR_SET_MEMORY_MERGE, getrlimit(2), core(5), ptrace(2).
"""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from securemem._binding import process as binding
from securemem._frozen import Frozen
from securemem._memory_map import status_kib
from securemem.exceptions import LockLimitError, SecureMemError, SizeError

if TYPE_CHECKING:
    from collections.abc import Callable

    Name = Literal["dumpable", "core_limit", "merging", "locked"]


__all__ = ["Change", "Hardening", "harden"]

_STACK_BYTES = 1 << 20


class Change(Frozen):
    """One thing that harden() changed.

    name: "dumpable" (PR_SET_DUMPABLE), "core_limit" (the soft RLIMIT_CORE in bytes, -1 for infinity), "merging"
    (PR_SET_MEMORY_MERGE) or "locked" (1 when mlockall holds). before, after: its values.
    """

    name: Name
    before: int
    after: int


class Hardening(Frozen):
    """What harden() changed; what was so already is not among it."""

    changes: tuple[Change, ...]

    def undo(self) -> None:
        """Set back what was changed, the last change first.

        A soft core limit above a hard one that was lowered since becomes that hard one. A process that was dumpable
        "for root only" (2) stays not dumpable: the kernel lets nobody set 2.
        Raises ProtectionError or LockError where the kernel refuses.
        """
        for change in reversed(self.changes):
            _UNDO[change.name](change.before)


def _set_core_limit(soft: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard):
        soft = hard
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def _set_dumpable(before: int) -> None:
    if before == 1:
        binding.set_dumpable(True)


def _set_merging(before: int) -> None:
    binding.set_merging(bool(before))


def _unlock(_before: int) -> None:
    from securemem import locking  # noqa: PLC0415 - only who asked for lock_everything pays for it

    locking.munlockall(allow_gap=True)


_UNDO: dict[str, Callable[[int], None]] = {
    "dumpable": _set_dumpable,
    "core_limit": _set_core_limit,
    "merging": _set_merging,
    "locked": _unlock,
}


def _no_cores() -> Change | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    if soft == 0:
        return None
    _set_core_limit(0)
    return Change("core_limit", soft, 0)


def _no_merging() -> Change | None:
    if not binding.merging():
        return None
    binding.set_merging(False)
    return Change("merging", 1, 0)


def _not_dumpable() -> Change | None:
    before = binding.dumpable()
    if before == 0:
        return None
    binding.set_dumpable(False)
    return Change("dumpable", before, 0)


def _check_that_all_fits(stack_bytes: int) -> None:
    """Mlockall counts all address space of the process, touched or not; so does this."""
    limit = binding.lock_limit()
    wanted = status_kib("VmSize") * 1024 + stack_bytes
    used = binding.locked_by_process()
    if limit is not None and wanted > limit:
        raise LockLimitError(limit, used, wanted - used)


def _lock_everything(stack_bytes: int) -> Change:
    from securemem import locking  # noqa: PLC0415 - only who asks for lock_everything pays for it

    locking.reserve_stack(stack_bytes)
    locking.mlockall(current=True, future=True)
    return Change("locked", 0, 1)


def harden(*, lock_everything: bool = False, stack_bytes: int = _STACK_BYTES) -> Hardening:
    """Close the ways by which the kernel gives this process's memory away, as far as a process can ask for it.

    - Not dumpable (PR_SET_DUMPABLE 0): no core dump, also not through a core_pattern that is a pipe; no ptrace and no
      /proc/PID/mem by processes of the same user. /proc/PID then belongs to root: this process itself, where it is
      not root, can no longer open its own /proc/self/mem and environ. A program started by exec is dumpable again.
    - Soft RLIMIT_CORE 0, which programs started from here inherit. The hard limit stays, so that it can be undone.
    - No merging of equal pages (PR_SET_MEMORY_MERGE 0), where it was asked for; merged pages are parted.
    - With lock_everything: `stack_bytes` of stack are reserved, and all memory that the process has and will have is
      locked (mlockall). From then on memory that does not fit under RLIMIT_MEMLOCK cannot be had at all: allocations
      fail, and a stack that must grow ends the process. Where not even the present memory fits, LockLimitError is
      raised before anything is changed.

    Call it early, and in each process: fork keeps all but the lock, exec keeps only the limit and the merging flag.
    Returns what was changed; its undo() sets it back.
    Raises ProtectionError where the kernel refuses, LockLimitError and LockError for lock_everything; nothing is
    changed then. SizeError for a stack_bytes below 1, StackLimitError for more than this thread's stack can have.
    """
    if stack_bytes < 1:
        raise SizeError(f"stack_bytes={stack_bytes}: give the bytes of stack to reserve, 1 or more")
    if lock_everything:
        _check_that_all_fits(stack_bytes)
    steps = [_no_cores, _no_merging, _not_dumpable]
    if lock_everything:
        steps.append(lambda: _lock_everything(stack_bytes))
    changes: list[Change] = []
    try:
        for step in steps:
            change = step()
            if change is not None:
                changes.append(change)
    except BaseException:
        with suppress(SecureMemError):  # the first refusal is the one to tell
            Hardening(tuple(changes)).undo()
        raise
    return Hardening(tuple(changes))
