"""The mlock family for memory that others own, and for the whole process.

Secrets are locked without this module. It is for what lies beside them: a bytearray, an mmap, an array, any
contiguous buffer; and for programs that lock all of themselves. Source: mlock(2), mlockall(2), POSIX.1-2008.

The kernel's locks do not stack: one munlock undoes any number of mlocks, for the whole page. Here they are counted
per page, and a page is unlocked when its last `PageLock` goes, or by `munlock` for all of them. Secrets' own pages are
never unlocked here.
"""

from __future__ import annotations

import os
import resource

from securemem._binding import locks as binding
from securemem._frozen import Frozen
from securemem.exceptions import HardLimitError, LockFlagsError, SizeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Buffer  # for the type checker: nothing is imported at run time

    from securemem._types import PageLock
else:
    PageLock = binding.PageLock

__all__ = [
    "LockLimit",
    "PageLock",
    "PosixSupport",
    "Unlocking",
    "Verification",
    "is_locked",
    "lock_limit",
    "locked_bytes",
    "mlock",
    "mlockall",
    "munlock",
    "munlockall",
    "posix_support",
    "raise_lock_limit",
    "reserve_stack",
    "verify_locks",
]


def mlock(buffer: Buffer, *, on_fault: bool = False) -> PageLock:
    """Lock the pages that a buffer lies in into RAM, until the PageLock is given back.

    buffer: any contiguous buffer, of any item type, writable or not; not copied. Whole pages are locked, as the
        kernel does it. An empty buffer has no page: its lock locks nothing, without a system call.
    on_fault: mlock2(MLOCK_ONFAULT): pages are locked when they are first touched, and not brought in now. They are
        charged to RLIMIT_MEMLOCK now all the same.

    Raises SourceError (not contiguous), LockLimitError (RLIMIT_MEMLOCK), LockPermissionError (it is 0),
    UnmappedError (a page is not there or has no access), MappingLimitError (vm.max_map_count), LockPopulateError
    (not enough RAM), LockRangeError (past the end of the address space), LockInterruptedError (a fatal signal),
    LockUnsupportedError (no such system call: on_fault before Linux 4.4), LockError (anything else).

    After a failure nothing is locked by it. The kernel itself leaves the pages before the failure locked; they are
    unlocked again unless another PageLock holds them. A lock that somebody set there without this module is lost.
    Mappings of devices and of huge page files are passed over by the kernel without an error: see `is_locked`.
    """
    return binding.page_lock(buffer, bool(on_fault))


def munlock(buffer: Buffer) -> None:
    """Unlock the pages that a buffer lies in, as the kernel's munlock does: however often they were locked.

    buffer: as for `mlock`. Every PageLock is void on these pages from then on, and `held` is False; what it covers
    beside them stays locked until it is given back. Locks made later count. Pages that a mlockall() locked are unlocked
    too. To give one lock back, use PageLock.unlock(), which leaves the pages that other locks hold.

    Raises InvalidArgumentError where one of the pages holds secrets, of an arena or the crypto heap, SourceError (not
    contiguous), MappingLimitError (vm.max_map_count: a page stays locked), LockError (anything else). Source:
    munlock(2).
    """
    binding.page_undo(buffer)


def mlockall(*, current: bool = True, future: bool = False, on_fault: bool = False) -> None:
    """Lock the whole process into RAM.

    current: what is mapped now, guard pages and all. future: what will be mapped from now on; where the limit is
    reached, mmap and brk then fail, and growth of the stack kills the process (SIGSEGV): `reserve_stack` first.
    on_fault: pages are locked when they are first touched. A call without `future` cancels an earlier one with it.

    Raises LockFlagsError for neither current nor future, LockLimitError where the process is larger than
    RLIMIT_MEMLOCK, LockPermissionError where that is 0, LockUnsupportedError, LockError. Nothing is changed then.
    The kernel reports no page that it could not bring in.
    """
    if not (current or future):
        raise LockFlagsError("mlockall() locks nothing without current=True or future=True; on_fault says only how")
    binding.lock_all(bool(current), bool(future), bool(on_fault))


class Unlocking(Frozen):
    """What `munlockall` did.

    unlocked_bytes: unlocked of what was locked (0 after a gap: the kernel's munlockall does not tell).
    gap_bytes: secrets' and PageLocks' pages that lay unlocked for a moment; 0 unless allow_gap=True was needed.
    gap_seconds: for how long.
    """

    unlocked_bytes: int
    gap_bytes: int
    gap_seconds: float


def munlockall(*, allow_gap: bool = False) -> Unlocking:
    """Unlock all that is neither a secret nor under a PageLock, and cancel mlockall(future=True).

    The kernel's munlockall would unlock the secrets too. Here every other locked mapping is unlocked by itself, and
    MCL_FUTURE, if it is in force, is cancelled by mlockall without it: there is no moment in which a secret or a
    counted page is unlocked. The kernel refuses that to a process without CAP_IPC_LOCK that is larger than
    RLIMIT_MEMLOCK.

    allow_gap: where it is refused, call the kernel's munlockall and lock again at once; the Unlocking tells the gap.

    Raises LockLimitError or LockPermissionError, before anything is changed, where the kernel refuses the way
    without a gap and allow_gap is False, or what must stay locked would not fit under the limit again;
    MappingLimitError or LockError where some mapping could not be unlocked (all others are); LockLostError where
    what was unlocked could not be locked again.
    """
    unlocked, gap, nanoseconds = binding.unlock_all(bool(allow_gap))
    return Unlocking(unlocked, gap, nanoseconds / 1e9)


class Verification(Frozen):
    """What `verify_locks` found and did, in bytes of whole pages.

    secret_bytes: pages of secrets that should be locked. lock_bytes: pages under PageLocks.
    repaired_secret_bytes, repaired_lock_bytes: were not locked, and are again.
    swapped_bytes: found in swap in the mappings of those, at most: a copy of them may be on the swap device now.
    gone_bytes: under PageLocks, but no longer mapped.
    """

    secret_bytes: int
    lock_bytes: int
    repaired_secret_bytes: int
    repaired_lock_bytes: int
    swapped_bytes: int
    gone_bytes: int

    @property
    def intact(self) -> bool:
        """Whether nothing had to be repaired and nothing is gone."""
        return self.repaired_secret_bytes == self.repaired_lock_bytes == self.gone_bytes == 0


def verify_locks() -> Verification:
    """Find secrets and PageLocks whose pages somebody unlocked, lock them again, and say so.

    It reads smaps, so it sees what the kernel holds to be true, whoever called munlock or munlockall. Pages that
    come back from swap are brought into RAM, those of closed arenas too. Before the repair they may have been written
    to swap: change keys that were.

    Raises LockLostError where pages could not be locked again, LockError where smaps cannot be read.
    """
    figures = binding.verify()
    del figures["unlocked_bytes"]
    return Verification(**figures)


def is_locked(buffer: Buffer) -> bool:
    """Whether every page that the buffer lies in is locked, by smaps; True for an empty buffer, which has none.

    Mappings of devices and huge page files never are, though mlock() takes them. Raises SourceError for a buffer that
    is not contiguous, LockError where smaps cannot be read.
    """
    return binding.page_is_locked(buffer)


def locked_bytes() -> int:
    """Bytes that the whole process has locked now, secrets included (VmLck of /proc/self/status)."""
    return binding.locked_by_process()


class LockLimit(Frozen):
    """RLIMIT_MEMLOCK as it binds this process now; sizes in bytes, None for no limit.

    soft: the limit that counts. hard: how far the soft one may be raised. used: locked now.
    available: what may still be locked; None where nothing binds. unlimited: whether the process may lock beyond the
    soft limit (CAP_IPC_LOCK), found by trial, for in a user namespace the capability sets say otherwise.
    """

    soft: int | None
    hard: int | None
    used: int
    available: int | None
    unlimited: bool


def lock_limit() -> LockLimit:
    """RLIMIT_MEMLOCK, what of it is used, and whether it binds this process."""
    soft, hard = (None if one == resource.RLIM_INFINITY else one for one in resource.getrlimit(resource.RLIMIT_MEMLOCK))
    used = locked_bytes()
    binding_limit = binding.lock_limit()
    available = None if binding_limit is None else max(0, binding_limit - used)
    return LockLimit(soft, hard, used, available, unlimited=binding_limit is None)


def raise_lock_limit(nbytes: int) -> LockLimit:
    """Raise the soft RLIMIT_MEMLOCK to `nbytes` bytes, at most the hard limit; never lowers it, never calls itself.

    Returns the limit that holds then. Raises SizeError for nbytes below 1, HardLimitError above the hard limit (which
    an administrator sets: LimitMEMLOCK=, --ulimit memlock=, limits.conf).
    """
    if isinstance(nbytes, bool) or not isinstance(nbytes, int):
        raise TypeError("nbytes must be an integer, a number of bytes")
    if nbytes < 1:
        raise SizeError(f"a limit of {nbytes} bytes raises nothing: give a number of bytes above 0")
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if hard != resource.RLIM_INFINITY and nbytes > hard:
        raise HardLimitError(
            f"RLIMIT_MEMLOCK cannot be raised to {nbytes} bytes: its hard limit is {hard}. An administrator "
            "raises that: LimitMEMLOCK= in a systemd unit, --ulimit memlock=BYTES:BYTES for a container, memlock in "
            "limits.conf"
        )
    if soft != resource.RLIM_INFINITY and soft < nbytes:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (nbytes, hard))
    return lock_limit()


class PosixSupport(Frozen):
    """What the C library says of POSIX memory locking.

    memlock: mlockall and munlockall, the version of the standard as a number, None without.
    memlock_range: the same for mlock and munlock. page_size: bytes.
    """

    memlock: int | None
    memlock_range: int | None
    page_size: int


def posix_support() -> PosixSupport:
    """What sysconf answers: _POSIX_MEMLOCK, _POSIX_MEMLOCK_RANGE, and the page size."""
    versions = [os.sysconf(name) for name in ("SC_MEMLOCK", "SC_MEMLOCK_RANGE")]
    memlock, memlock_range = (version if version > 0 else None for version in versions)
    return PosixSupport(memlock, memlock_range, os.sysconf("SC_PAGE_SIZE"))


def reserve_stack(nbytes: int) -> None:
    """Touch `nbytes` bytes of this thread's stack, so that they exist before the process is locked.

    A locked stack that has to grow is charged to RLIMIT_MEMLOCK and kills the process (SIGSEGV) at the limit; and
    growth is a page fault. The pages stay once they are there. Raises SizeError below 1, StackLimitError where the
    stack has no such room (64 KiB are left for other calls), TypeError for what is not an integer.
    """
    if isinstance(nbytes, bool) or not isinstance(nbytes, int):
        raise TypeError("nbytes must be an integer, a number of bytes")
    if nbytes < 1:
        raise SizeError(f"{nbytes} bytes of stack cannot be reserved: give a number of bytes above 0")
    binding.reserve_stack(min(nbytes, 2**62))
