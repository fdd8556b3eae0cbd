"""Arenas: where secrets live, under which policies, and how much of it there is."""

from __future__ import annotations

import operator
import os
import sys

from securemem._binding import arenas as binding
from securemem._frozen import Frozen
from securemem.exceptions import InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Literal, Self, SupportsIndex

    from securemem._types import ArenaHandle

    AtRest = Literal["noaccess", "readwrite"]
    Lock = Literal["require", "warn"]
    Backend = Literal["mlock", "memfd_secret"]
    Fork = Literal["exclude", "inherit"]
else:
    ArenaHandle = binding.ArenaHandle

__all__ = ["Arena", "Statistics", "configure", "fits", "purge", "statistics"]


class Statistics(Frozen):
    """What an arena, or all of them, hold at one moment. Sizes in bytes.

    live_secrets: secrets that are not wiped.
    live_bytes: their lengths, added.
    page_bytes: pages held for secrets, guard pages left out.
    locked_bytes: of those, locked into RAM.
    runs: page runs mapped.
    mappings: the kernel mappings they take, at most.
    open_windows: views open now.
    failed_closes: how often the kernel refused to close a page, in the whole process, ever.
    stuck_pages: page ranges still open because of that.
    pending_wipes: secrets that the kernel would not let us open to wipe them; it is tried again.
    inherited_bytes: of page_bytes, those of arenas with fork="inherit", which forked children get too.
    lost_secrets: in a forked child, secrets of such arenas that it did not get: a call of the kernel failed, or another
        thread was writing to them. They raise ForkedError there.
    lock_limit: RLIMIT_MEMLOCK, or None where this process is not bound by it.
    process_locked: what the whole process has locked, as VmLck has it: on newer kernels without secret memory.
    """

    live_secrets: int
    live_bytes: int
    page_bytes: int
    locked_bytes: int
    runs: int
    mappings: int
    open_windows: int
    failed_closes: int
    stuck_pages: int
    pending_wipes: int
    inherited_bytes: int
    lost_secrets: int
    lock_limit: int | None
    process_locked: int


def _statistics(handle: ArenaHandle | None) -> Statistics:
    return Statistics(
        **binding.statistics(handle), lock_limit=binding.lock_limit(), process_locked=binding.locked_by_process()
    )


def _lockable() -> int:
    """Bytes that may still be locked; what the machine has available, where no limit binds."""
    limit = binding.lock_limit()
    if limit is None:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(0, limit - binding.locked_by_process())


def _size(size: SupportsIndex) -> int:
    if isinstance(size, bool) or not hasattr(size, "__index__"):
        raise TypeError("the size must be an integer, a number of bytes")
    return max(0, min(operator.index(size), sys.maxsize))  # the core refuses 0; of the largest none fits


def _policy(at_rest: str, lock: str, backend: str, max_bytes: int | None, fork: str) -> tuple[int, int, int, int, int]:
    """Check the words and turn them into the core's integers."""
    for name, word, known in (
        ("at_rest", at_rest, binding.AT_REST),
        ("lock", lock, binding.LOCK),
        ("backend", backend, binding.BACKEND),
        ("fork", fork, binding.FORK),
    ):
        if word not in tuple(known):
            raise InvalidArgumentError(f"{name}={word!r} does not exist: choose one of {', '.join(map(repr, known))}")
    if fork == "inherit" and backend == "memfd_secret":
        raise InvalidArgumentError(
            "fork='inherit' is not supported with backend='memfd_secret': parent and child would share the memory, and "
            "a wipe in one would zero the other's; use backend='mlock'"
        )
    if max_bytes is not None and not isinstance(max_bytes, int):
        raise TypeError("max_bytes must be an integer, a number of bytes, or None for no bound")
    page = os.sysconf("SC_PAGE_SIZE")
    if max_bytes is not None and not page <= max_bytes <= 2**62:
        raise InvalidArgumentError(f"max_bytes={max_bytes} is out of range: give {page} (a page) to 2**62, or None")
    return binding.AT_REST[at_rest], binding.LOCK[lock], binding.BACKEND[backend], max_bytes or 0, binding.FORK[fork]


class Arena(ArenaHandle):
    """A pool of locked pages that secrets are made in, with policies of its own.

    at_rest: "noaccess": pages without an open view have no access at all (PROT_NONE), so that a stray read or write
        faults; a view costs two mprotect calls. "readwrite": pages stay accessible, for hot paths.
    lock: "require": a secret that cannot be locked into RAM is refused with LockLimitError or LockError. "warn":
        LockWarning, and the secret is made in memory that is protected in every other way.
    max_bytes: the most bytes of pages (whole pages, guard pages left out) the arena may hold; None: no bound of
        its own. At least a page.
    backend: "mlock": anonymous memory. "memfd_secret": memory that the kernel itself does not map, hidden from
        other processes and from root's debuggers; while any lives, the machine cannot hibernate.
    fork: "exclude": a forked child has none of the secrets, and each use there raises ForkedError. "inherit": children
        that os.fork(), multiprocessing or a pre-fork server makes get a copy of their own, locked again before any
        Python code runs there; a secret that cannot be locked there, or that another thread was writing to, is wiped
        there and raises ForkedError. A child made by clone(2), without the fork handlers of the C library, gets none.

    Raises InvalidArgumentError for a word or bound that does not exist, and for fork="inherit" with "memfd_secret". No
    memory is taken before the first secret.
    The arena lives for as long as it or one of its secrets does. As a context manager it is closed at the end.
    """

    def __init__(
        self,
        *,
        at_rest: AtRest = "noaccess",
        lock: Lock = "require",
        max_bytes: int | None = None,
        backend: Backend = "mlock",
        fork: Fork = "exclude",
    ) -> None:
        """Check the policies and make the arena."""
        self._create(*_policy(at_rest, lock, backend, max_bytes, fork))
        self._policies = (
            f"at_rest={at_rest!r}, lock={lock!r}, max_bytes={max_bytes}, backend={backend!r}, fork={fork!r}"
        )

    def __repr__(self) -> str:
        """Name the policies."""
        return f"Arena({getattr(self, '_policies', 'never initialised')})"  # a traceback's locals may show it so

    def close(self) -> int:
        """Wipe every secret of the arena and refuse new ones; may be called again.

        Returns the number of views still open: their secrets are wiped when those are released.
        Raises ForkedError in a forked child that does not inherit the arena.
        """
        return binding.close(self)

    def statistics(self) -> Statistics:
        """What this arena holds now. Raises ForkedError in a forked child that does not inherit the arena."""
        return _statistics(self)

    def fits(self, size: SupportsIndex) -> int:
        """How many more secrets of `size` bytes can be made now, before RLIMIT_MEMLOCK or max_bytes is reached.

        Raises SizeError for a size below 1, TypeError for what is no integer, ForkedError in a child without it.
        """
        return binding.fits(self, _size(size), _lockable())

    def __enter__(self) -> Self:
        """Return the arena itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close the arena."""
        self.close()


def configure(
    *,
    at_rest: AtRest = "noaccess",
    lock: Lock = "require",
    max_bytes: int | None = None,
    backend: Backend = "mlock",
    fork: Fork = "exclude",
) -> None:
    """Set the policies of the default arena, in which secrets are made that name no other.

    at_rest: "noaccess": pages without an open view have no access; "readwrite": they stay accessible.
    lock: "require": a secret that cannot be locked is refused; "warn": it is made, with a LockWarning.
    max_bytes: the most bytes of pages the arena may hold; None: no bound of its own.
    backend: "mlock" or "memfd_secret".
    fork: "exclude": forked children have none of the secrets; "inherit": they get them. `Arena` tells more of each.

    Raises InvalidArgumentError for a word, bound or pair that does not exist, ConfigurationError after the arena's
    first use.
    """
    binding.configure(*_policy(at_rest, lock, backend, max_bytes, fork))


def statistics() -> Statistics:
    """What all arenas of this process hold now."""
    return _statistics(None)


def fits(size: SupportsIndex) -> int:
    """How many more secrets of `size` bytes the default arena can hold now, before a limit is reached.

    It makes the default arena, so that configure() comes too late after it. Raises SizeError for a size below 1,
    TypeError for what is no integer.
    """
    return binding.fits(None, _size(size), _lockable())


def purge() -> int:
    """Wipe every secret of this process now, whoever holds it.

    Returns the number of views still open: their secrets open no new view, and are wiped when the last is released.
    A secret that the kernel does not let us open for wiping is counted in `statistics().pending_wipes` and tried again.
    """
    return binding.purge()
