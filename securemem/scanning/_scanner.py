"""Scans the memory of a process from outside, as an attacker with the rights of a debugger would.

It reads /proc/PID/mem, and says of each copy of a secret what kind of memory it lies in. Where that file does not give
pages without access (Linux 6.12 and later, as configured), it attaches to the process for them, as a debugger does.
Source: proc_pid_mem(5), ptrace(2), "Ptrace access mode checking".
"""

from __future__ import annotations

import errno
import os
from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Protocol, TypeAlias

from securemem._frozen import Frozen
from securemem._memory_map import mappings
from securemem.exceptions import ScanRefusedError
from securemem.scanning._needles import Needle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from securemem._memory_map import Mapping
    from securemem.scanning._debugger import Debugger

    # Where needles begin in the bytes, from the first place to before the second, each with its number.
    Finder: TypeAlias = Callable[[bytes, int, int], Iterable[tuple[int, int]]]
    MakeFinder: TypeAlias = Callable[[Sequence[Needle]], Finder]
    OnCopy: TypeAlias = Callable[[Mapping | None, int, str], None]

__all__ = ["Copies", "Place", "scan_file", "scan_process"]

_CHUNK = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_NOT_GIVEN = {errno.EIO, errno.EFAULT}
_HIGHEST = 1 << 63  # what pread can be asked for; above it lies only [vsyscall]


class Place(Frozen):
    """Copies of one form in one kind of memory.

    memory: "[heap]", "[stack]", the path of a mapped or scanned file, or "anonymous".
    locked: it is locked into RAM. accessible: the process itself may read or write it (not PROT_NONE).
    form: the form of the secret, as its needle names it. count: how often.
    """

    memory: str
    locked: bool
    accessible: bool
    form: str
    count: int


class Copies(Frozen):
    """What a scan found.

    where: every place, with its count. scanned: bytes searched. unreadable: bytes that the kernel would not give: those
    of memfd_secret, and those of pages without access where /proc/PID/mem does not give them and the scanner may not
    attach to the process. attached: whether the scanner attached to it.
    """

    where: tuple[Place, ...]
    scanned: int
    unreadable: int
    attached: bool = False

    @property
    def locked(self) -> int:
        """Copies in locked memory."""
        return sum(place.count for place in self.where if place.locked)

    @property
    def unlocked(self) -> int:
        """Copies in memory that is not locked, or in a file."""
        return sum(place.count for place in self.where if not place.locked)

    @property
    def closed(self) -> int:
        """Copies in memory that the process itself has no access to at this moment."""
        return sum(place.count for place in self.where if not place.accessible)


class _Source(Protocol):
    """What is searched."""

    @abstractmethod
    def read(self, at: int, size: int) -> bytes:
        """Up to so many bytes from there; OSError (EIO, EFAULT) where the kernel does not give them."""


class _File:
    """A file, by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def read(self, at: int, size: int) -> bytes:
        """Read what is there."""
        return os.pread(self.descriptor, size, at)


class _Memory(_File):
    """The memory of a process: /proc/PID/mem, and what a debugger may read beside it."""

    def __init__(self, pid: int) -> None:
        super().__init__(os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC))
        self.pid = pid
        self.forced = False  # pages without access are being read: they are worth attaching to the process
        self.debugger: Debugger | None = None
        self._may_attach = True

    def close(self) -> None:
        """Let the process go on, if it was stopped."""
        if self.debugger is not None:
            self.debugger.let_go()
        os.close(self.descriptor)

    def _attach(self) -> Debugger | None:
        if self.debugger is None and self._may_attach:
            from securemem.scanning._debugger import Debugger  # noqa: PLC0415 - ctypes is for who needs it

            self._may_attach = False
            try:
                self.debugger = Debugger(self.pid)
            except PermissionError:  # traced by another, or ptrace is forbidden: what cannot be read is counted
                return None
        return self.debugger

    def read(self, at: int, size: int) -> bytes:
        """Read by the file; where it gives nothing, once more as the process's tracer; then word by word."""
        try:
            return super().read(at, size)
        except OSError as error:
            if not self.forced or error.errno not in _NOT_GIVEN or self._attach() is None:
                raise
        try:
            return super().read(at, size)  # to a tracer the kernel may give more
        except OSError as error:
            if self.debugger is None or error.errno not in _NOT_GIVEN:
                raise
            return self.debugger.read(at, min(size, _PAGE - at % _PAGE))


def _read(source: _Source, start: int, end: int) -> tuple[bytes, int]:
    """The bytes from start to end with zeros for what cannot be read, and how many those are."""
    parts = []
    missing = 0
    while start < end:
        try:
            part = source.read(start, end - start)
        except OSError as error:
            if error.errno not in _NOT_GIVEN:
                raise
            part = bytes(min(_PAGE - start % _PAGE, end - start))
            missing += len(part)
        if not part:
            raise ProcessLookupError(errno.ESRCH, "the process ended, or the file shrank, while it was scanned")
        parts.append(part)
        start += len(part)
    return b"".join(parts), missing


def _is_part(data: bytes, at: int, needle: Needle) -> bool:
    return any(at >= place and data.startswith(whole, at - place) for whole, place in needle.within)


def plain_finder(needles: Sequence[Needle]) -> Finder:
    """Search for one needle after the other, with nothing but Python's own `bytes.find`."""

    def find(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        for number, one in enumerate(needles):
            at = data.find(one.pattern, start)
            while start <= at < end:
                yield at, number
                at = data.find(one.pattern, at + 1)

    return find


class _Hunt:
    """What is searched for, and how; each copy is told to `found`, with its place."""

    def __init__(self, needles: Sequence[Needle], make: MakeFinder) -> None:
        if not needles:
            raise ValueError("give at least one needle to search for")
        if not isinstance(needles, list | tuple) or not all(isinstance(one, Needle) for one in needles):
            raise TypeError("needles must be a list or tuple of Needle, as forms_of() makes them")
        self.needles = needles
        self._find = make(needles)
        patterns = (pattern for one in needles for pattern in (one.pattern, *(whole for whole, _ in one.within)))
        self._margin = max(map(len, patterns))

    def search(self, source: _Source, start: int, end: int, found: Callable[[int, str], None]) -> int:
        """Search from start to end, a chunk and its margins at a time; the bytes that could not be read."""
        unreadable = 0
        for at in range(start, end, _CHUNK):
            first, last = max(start, at - self._margin), min(end, at + _CHUNK + self._margin)
            data, missing = _read(source, first, last)
            unreadable += min(missing, min(end, at + _CHUNK) - at)
            for place, number in self._find(data, at - first, min(at - first + _CHUNK, len(data))):
                if not _is_part(data, place, self.needles[number]):
                    found(first + place, self.needles[number].form)
        return unreadable


def _may_hold_copies(mapping: Mapping) -> bool:
    """Whether the process may have written there: resident or swapped, and not a file's pages as they are on disk."""
    sizes = mapping.sizes
    if mapping.start >= _HIGHEST or sizes.get("Rss", 1) + sizes.get("Swap", 0) == 0:
        return False
    is_private_file = mapping.permissions[3] == "p" and mapping.name.startswith("/")
    return not is_private_file or sizes.get("Anonymous", 1) + sizes.get("Swap", 0) > 0


def _scan_mappings(memory: _Memory, hunt: _Hunt, on_copy: OnCopy) -> Copies:
    where: Counter[tuple[str, bool, bool, str]] = Counter()
    scanned = unreadable = 0
    for mapping in filter(_may_hold_copies, list(mappings(memory.pid))):

        def found(at: int, form: str, within: Mapping = mapping) -> None:
            where[within.name or "anonymous", within.locked, within.accessible, form] += 1
            on_copy(within, at, form)

        memory.forced = not mapping.accessible and not mapping.secret
        unreadable += hunt.search(memory, mapping.start, mapping.end, found)
        scanned += mapping.end - mapping.start
    if scanned == 0:
        raise ProcessLookupError(errno.ESRCH, f"process {memory.pid} has ended: it has no memory")
    places = tuple(Place(*key, count) for key, count in sorted(where.items()))
    return Copies(places, scanned - unreadable, unreadable, attached=memory.debugger is not None)


def _ignore(mapping: Mapping | None, at: int, form: str) -> None:
    """Nobody wants to know each copy."""


def scan_process(
    pid: int, needles: Sequence[Needle], *, finder: MakeFinder = plain_finder, on_copy: OnCopy = _ignore
) -> Copies:
    """Count copies of secrets in the memory of another process, which goes on running: stop it for an exact count.

    needles: at least one, as `forms_of` makes them. finder: makes of them what searches one piece of memory.
    on_copy: called for each copy, with its mapping, address and form.

    Pages without access are searched too: where /proc/PID/mem does not give them, the scanner attaches to the process
    (ptrace), which then stands still until the scan is done. Left out are pages never written, those of private file
    mappings that are still as on disk, and the kernel's own. A copy that lies over the border of two mappings is found
    by its parts.

    Raises ValueError without needles, ScanRefusedError where the kernel forbids to read that process, and
    ProcessLookupError where there is none.
    """
    hunt = _Hunt(needles, finder)
    try:
        memory = _Memory(pid)
        try:
            return _scan_mappings(memory, hunt, on_copy)
        finally:
            memory.close()
    except PermissionError as error:
        raise ScanRefusedError(
            error.errno,
            f"the kernel forbids to read the memory of process {pid}: run as its user or as root, and see "
            "kernel.yama.ptrace_scope, PR_SET_DUMPABLE and the container's CAP_SYS_PTRACE",
        ) from error
    except FileNotFoundError as error:
        raise ProcessLookupError(errno.ESRCH, f"there is no process {pid}") from error


def scan_file(
    path: str | os.PathLike[str],
    needles: Sequence[Needle],
    *,
    finder: MakeFinder = plain_finder,
    on_copy: OnCopy = _ignore,
) -> Copies:
    """Count copies of secrets in a file, such as a core dump or a swap file.

    finder and on_copy: as for `scan_process`; a copy has no mapping (None), and its offset for an address.

    Raises ValueError without needles, and OSError where the file cannot be read.
    """
    hunt = _Hunt(needles, finder)
    forms: Counter[str] = Counter()

    def found(at: int, form: str) -> None:
        forms[form] += 1
        on_copy(None, at, form)

    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(source).st_size
        unreadable = hunt.search(_File(source), 0, size, found)
    finally:
        os.close(source)
    memory = os.fspath(path)
    where = (Place(memory, locked=False, accessible=True, form=form, count=n) for form, n in sorted(forms.items()))
    return Copies(tuple(where), size - unreadable, unreadable)
