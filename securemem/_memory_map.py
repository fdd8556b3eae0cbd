"""What the kernel says of mappings: /proc/PID/smaps, read and nothing assumed.

Source: proc(5); the letters of VmFlags are those of the kernel's Documentation/filesystems/proc.rst.
"""

from __future__ import annotations

from securemem._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Mapping(Frozen):
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
    def secret(self) -> bool:
        """Whether it is secret memory (memfd_secret), which the kernel gives to no debugger."""
        return self.name.startswith("/secretmem")

    @property
    def locked(self) -> bool:
        """Whether it stays in RAM: locked (VmFlags `lo`), or secret memory, which some kernels do not flag."""
        return "lo" in self.flags or self.secret


def mappings(pid: int | str = "self") -> Iterator[Mapping]:
    """Every mapping of a process, in the order of addresses; OSError where the kernel forbids it."""
    return parsed(_content(f"/proc/{pid}/smaps"))


def _content(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - `import securemem` does not load pathlib
        return file.read()


def parsed(smaps: bytes) -> Iterator[Mapping]:
    """The mappings in the text of a smaps file."""
    header: list[str] = []
    sizes: dict[str, int] = {}
    for line in smaps.decode(errors="replace").split("\n")[:-1]:
        name, *rest = line.split()
        if not name.endswith(":"):  # a mapping begins: addresses, permissions, offset, device, inode, path if any
            header, sizes = line.split(maxsplit=5), {}
        elif name == "VmFlags:":
            start, _, end = header[0].partition("-")
            label = header[5] if len(header) > 5 else ""  # noqa: PLR2004 - the path is the sixth
            yield Mapping(int(start, 16), int(end, 16), header[1], label, frozenset(rest), sizes)
        elif rest[0].isdigit():
            sizes[name.removesuffix(":")] = int(rest[0])


def status_kib(field: str, pid: int | str = "self") -> int:
    """A size in KiB from /proc/PID/status, such as VmLck; 0 where the kernel does not give it."""
    for line in _content(f"/proc/{pid}/status").decode(errors="replace").split("\n"):
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    return 0
