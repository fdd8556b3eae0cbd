"""The scanner as a tool: a process, a file or a core dump, and each copy with its place, at a gigabyte a second."""

from __future__ import annotations

import os
import struct
from time import perf_counter
from typing import TYPE_CHECKING

from securemem._binding.search import Search
from securemem.scanning import scan_file as count_in_file
from securemem.scanning import scan_process as count_in_process
from securemem.testing._reports import Copy, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from securemem._memory_map import Mapping
    from securemem.scanning import Copies, Needle

__all__ = ["scan", "scan_core", "scan_file"]

_MOST = 1000  # copies of which the place is told
_HEADER = struct.Struct("<16sHHIQQQIHHH")  # of ELF, 64 bits, up to e_phnum
_PROGRAM = struct.Struct("<IIQQQQQQ")
_CORE, _LOAD, _NOTE = 4, 1, 4  # elf.h: ET_CORE, PT_LOAD, PT_NOTE


def _finder(needles: Sequence[Needle]) -> Callable[[bytes, int, int], Iterable[tuple[int, int]]]:
    return Search([one.pattern for one in needles]).find


class _Places:
    """Collects the places of copies."""

    def __init__(self, path: str = "") -> None:
        self._path = path
        self.copies: list[Copy] = []
        self.started = perf_counter()

    def add(self, mapping: Mapping | None, at: int, form: str) -> None:
        if len(self.copies) == _MOST:
            return
        if mapping is None:
            self.copies.append(Copy(self._path, "", 0, at, form, locked=False, accessible=True))
            return
        where = f"{mapping.start:x}-{mapping.end:x}", at, at - mapping.start, form
        self.copies.append(Copy(mapping.name or "anonymous", *where, mapping.locked, mapping.accessible))

    def report(self, copies: Copies) -> Report:
        seconds = perf_counter() - self.started
        sums = copies.locked, copies.unlocked, copies.scanned, copies.unreadable, copies.attached
        return Report(tuple(self.copies), *sums, seconds)


def scan(pid: int, needles: Sequence[Needle]) -> Report:
    """Find copies of secrets in the memory of another process, which goes on running.

    pid: not this process, which holds the needles. needles: of `needles_of`. As for
    `securemem.scanning.scan_process`, pages without access are searched too, and memory that was never written is not.

    Raises ValueError without needles or for this process's own pid, ScanRefusedError where the kernel forbids it, and
    ProcessLookupError where there is no such process.
    """
    if pid == os.getpid():
        raise ValueError("this process holds the needles: scan it from another one, as assert_no_copies() does")
    places = _Places()
    return places.report(count_in_process(pid, needles, finder=_finder, on_copy=places.add))


def scan_file(path: str | os.PathLike[str], needles: Sequence[Needle]) -> Report:
    """Find copies of secrets in a file, such as a swap file, a log, or an image of memory.

    Raises ValueError without needles, and OSError where the file cannot be read.
    """
    places = _Places(os.fspath(path))
    return places.report(count_in_file(path, needles, finder=_finder, on_copy=places.add))


def _segments(path: str) -> list[tuple[int, int, int, int]]:
    """Of each segment of a core its kind, offset, address and size in the file."""
    with open(path, "rb") as file:  # noqa: PTH123 - read in places
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size or head[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path} is not an ELF file of 64 bits, as core dumps are")
        _, kind, _, _, _, table, _, _, _, size, count = _HEADER.unpack(head)
        if kind != _CORE:
            raise ValueError(f"{path} is an ELF file, but no core dump")
        file.seek(table)
        rows = [_PROGRAM.unpack_from(file.read(size)) for _ in range(count)]
    return [(row[0], row[2], row[3], row[5]) for row in rows]


def scan_core(path: str | os.PathLike[str], needles: Sequence[Needle]) -> Report:
    """Find copies of secrets in a core dump: each with the address it had, or in the notes, where registers are.

    A copy's `memory` is "memory", "notes" or "the rest of the file"; `mapping` and `address` are those of the process
    that died; `offset` is in the file. Locks are not in a core: `locked` is False. Raises ValueError without needles
    and for a file that is no core of 64 bits, and OSError where it cannot be read.
    """
    name = os.fspath(path)
    segments = _segments(name)
    report = scan_file(path, needles)
    copies = tuple(_located(one, segments) for one in report.copies)
    return report.__replace__(copies=copies)


def _located(copy: Copy, segments: list[tuple[int, int, int, int]]) -> Copy:
    for kind, offset, address, size in segments:
        if kind in {_LOAD, _NOTE} and offset <= copy.offset < offset + size:
            if kind == _NOTE:
                return Copy("notes", "", 0, copy.offset, copy.form, locked=False, accessible=True)
            mapping, at = f"{address:x}-{address + size:x}", address + copy.offset - offset
            return Copy("memory", mapping, at, copy.offset, copy.form, locked=False, accessible=True)
    return Copy("the rest of the file", "", 0, copy.offset, copy.form, locked=False, accessible=True)
