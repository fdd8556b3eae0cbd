"""What the kernel says of mappings: /proc/PID/smaps, read and nothing assumed.

Source: proc(5); the letters of VmFlags are those of the kernel's Documentation/filesystems/proc.rst.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) [0-9a-f]+ \S+ \d+\s*(.*)")


@dataclass(frozen=True, slots=True)
class Mapping:
    """One mapping of a process: addresses in bytes, sizes in KiB as the kernel gives them."""

    start: int
    end: int
    permissions: str
    name: str
    flags: frozenset[str]
    sizes: dict[str, int]

    @property
    def accessible(self) -> bool:
        """Whether the process itself can read or write it."""
        return self.permissions[:3] != "---"

    @property
    def locked(self) -> bool:
        """Whether it is locked into RAM (VmFlags `lo`)."""
        return "lo" in self.flags


def mappings(pid: int | str = "self") -> Iterator[Mapping]:
    """Every mapping of a process, in the order of addresses; OSError where the kernel forbids it."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123 - a stream of lines
        header: re.Match[str] | None = None
        sizes: dict[str, int] = {}
        for line in lines:
            name, _, value = line.partition(":")
            if name == "VmFlags" and header is not None:
                start, end, permissions, label = header.groups()
                yield Mapping(int(start, 16), int(end, 16), permissions, label, frozenset(value.split()), sizes)
                header, sizes = None, {}
            elif header is None:
                header = _HEADER.match(line)
            elif (number := value.split()) and number[0].isdigit():
                sizes[name] = int(number[0])


def status_kib(field: str, pid: int | str = "self") -> int:
    """A size in KiB from /proc/PID/status, such as VmLck; 0 where the kernel does not give it."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as lines:  # noqa: PTH123 - a stream of lines
        for line in lines:
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0])
    return 0
