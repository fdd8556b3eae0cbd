"""Redirects an import slot of a loaded object, as memory profilers do; imported by child programs only.

It reads the object's file by itself, so that what it does depends on nothing that is tested.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from pathlib import Path
from typing import Any

_RELA, _DYNSYM = 4, 11  # section types
_SECTION = struct.Struct("<IIQQQQIIQQ")
_RELOCATION = struct.Struct("<QQq")
_SYMBOL = struct.Struct("<IBBHQQ")
_C = ctypes.CDLL(None, use_errno=True)


def _offsets(path: str, symbol: str) -> list[int]:
    """Where, counted from its base, an ELF64 object keeps the address of a symbol of another one."""
    data = Path(path).read_bytes()
    table, size, count = (*struct.unpack_from("<Q", data, 0x28), *struct.unpack_from("<HH", data, 0x3A))
    sections = [_SECTION.unpack_from(data, table + at * size) for at in range(count)]
    symbols = next(one for one in sections if one[1] == _DYNSYM)
    names = sections[symbols[6]][4]
    found = []
    for _, kind, _, _, start, length, *_ in (one for one in sections if one[1] == _RELA):
        assert kind == _RELA
        for at in range(start, start + length, _RELOCATION.size):
            offset, info, _ = _RELOCATION.unpack_from(data, at)
            name = names + _SYMBOL.unpack_from(data, symbols[4] + (info >> 32) * _SYMBOL.size)[0]
            if info >> 32 and data[name : data.index(b"\0", name)] == symbol.encode():
                found.append(offset)
    return found


def slots_of(path: str, symbol: str) -> list[int]:
    """The addresses of a loaded object's slots for a symbol."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    base = min(int(line.partition("-")[0], 16) for line in lines if line.endswith(path))
    return [base + offset for offset in _offsets(path, symbol)]


def read_slot(slot: int) -> int:
    """Where a slot leads."""
    return ctypes.c_size_t.from_address(slot).value


def write_slot(slot: int, address: int) -> None:
    """Let a slot lead elsewhere; its page stays writable."""
    page = slot & ~(mmap.PAGESIZE - 1)
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    if _C.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(mmap.PAGESIZE), protection) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    ctypes.c_size_t.from_address(slot).value = address


def address_of(name: str) -> int:
    """The address of a function of the C library."""
    function: Any = getattr(_C, name)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address
    return address


def addresses_of(name: str) -> set[int]:
    """Where a function of the C library lies, and the jump to it in a program that is not position-independent."""
    paths = {line.split()[-1] for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()}
    library = next(path for path in paths if "/libc.so.6" in path or "/ld-musl-" in path)
    function: Any = getattr(ctypes.CDLL(library), name)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address
    return {address, address_of(name)}


def protection_at(address: int) -> str:
    """What the kernel says of the page at an address: "r--p"."""
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        start, end = (int(part, 16) for part in line.split()[0].split("-"))
        if start <= address < end:
            return line.split()[1]
    return ""
