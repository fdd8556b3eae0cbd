"""Scans the memory of a process from outside, as an attacker with the rights of a debugger would.

It reads /proc/PID/mem, and says of each copy of a secret what kind of memory it lies in. Where that file does not give
pages without access (Linux 6.12 and later, as configured), it attaches to the process for them, as a debugger does.
Source: proc_pid_mem(5), ptrace(2), "Ptrace access mode checking".
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from securemem._memory_map import Mapping, mappings
from securemem.exceptions import ScanRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from securemem.scanning._debugger import Debugger
    from securemem.scanning._needles import Needle

__all__ = ["Copies", "Place", "scan_file", "scan_process"]

_CHUNK = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_NOT_GIVEN = {errno.EIO, errno.EFAULT}
_HIGHEST = 1 << 63  # what pread can be asked for; above it lies only [vsyscall]


@dataclass(frozen=True, slots=True)
class Place:
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


@dataclass(frozen=True, slots=True)
class Copies:
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


def _count(data: bytes, start: int, end: int, needle: Needle) -> int:
    """Occurrences that begin from start to end; one that overlaps another counts too."""
    count = 0
    at = data.find(needle.pattern, start)
    while start <= at < end:
        count += not _is_part(data, at, needle)
        at = data.find(needle.pattern, at + 1)
    return count


def _search(source: _Source, start: int, end: int, needles: Sequence[Needle], found: Counter[str]) -> int:
    """Count needles from start to end, a chunk and its margins at a time; the bytes that could not be read."""
    margin = max(len(pattern) for one in needles for pattern in (one.pattern, *(whole for whole, _ in one.within)))
    unreadable = 0
    for at in range(start, end, _CHUNK):
        first, last = max(start, at - margin), min(end, at + _CHUNK + margin)
        data, missing = _read(source, first, last)
        unreadable += min(missing, min(end, at + _CHUNK) - at)
        for one in needles:
            if count := _count(data, at - first, at - first + _CHUNK, one):
                found[one.form] += count
    return unreadable


def _may_hold_copies(mapping: Mapping) -> bool:
    """Whether the process may have written there: resident or swapped, and not a file's pages as they are on disk."""
    sizes = mapping.sizes
    if mapping.start >= _HIGHEST or sizes.get("Rss", 1) + sizes.get("Swap", 0) == 0:
        return False
    is_private_file = mapping.permissions[3] == "p" and mapping.name.startswith("/")
    return not is_private_file or sizes.get("Anonymous", 1) + sizes.get("Swap", 0) > 0


def _scan_mappings(memory: _Memory, needles: Sequence[Needle]) -> Copies:
    where: Counter[tuple[str, bool, bool, str]] = Counter()
    scanned = unreadable = 0
    for mapping in filter(_may_hold_copies, list(mappings(memory.pid))):
        found: Counter[str] = Counter()
        memory.forced = not mapping.accessible and not mapping.secret
        unreadable += _search(memory, mapping.start, mapping.end, needles, found)
        scanned += mapping.end - mapping.start
        for form, count in found.items():
            where[mapping.name or "anonymous", mapping.locked, mapping.accessible, form] += count
    if scanned == 0:
        raise ProcessLookupError(errno.ESRCH, f"process {memory.pid} has ended: it has no memory")
    places = tuple(Place(*key, count) for key, count in sorted(where.items()))
    return Copies(places, scanned - unreadable, unreadable, attached=memory.debugger is not None)


def scan_process(pid: int, needles: Sequence[Needle]) -> Copies:
    """Count copies of secrets in the memory of another process, which goes on running: stop it for an exact count.

    needles: at least one, as `forms_of` makes them. Pages without access are searched too: where /proc/PID/mem does not
    give them, the scanner attaches to the process (ptrace), which then stands still until the scan is done. Left out
    are pages never written, those of private file mappings that are still as on disk, and the kernel's own. A copy that
    lies over the border of two mappings is found by its parts.

    Raises ValueError without needles, ScanRefusedError where the kernel forbids to read that process, and
    ProcessLookupError where there is none.
    """
    if not needles:
        raise ValueError("give at least one needle to search for")
    try:
        memory = _Memory(pid)
        try:
            return _scan_mappings(memory, needles)
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


def scan_file(path: str | os.PathLike[str], needles: Sequence[Needle]) -> Copies:
    """Count copies of secrets in a file, such as a core dump or a swap file.

    Raises ValueError without needles, and OSError where the file cannot be read.
    """
    if not needles:
        raise ValueError("give at least one needle to search for")
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(source).st_size
        found: Counter[str] = Counter()
        unreadable = _search(_File(source), 0, size, needles, found)
    finally:
        os.close(source)
    memory = os.fspath(path)
    where = (Place(memory, locked=False, accessible=True, form=form, count=n) for form, n in sorted(found.items()))
    return Copies(tuple(where), size - unreadable, unreadable)
