"""The bare calls and the kernel's account of them, for the child process in which a row is staged.

The calls go by the C library's `syscall()`, with nothing of securemem between: the kernel is what is tested.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from typing import TYPE_CHECKING

from securemem._memory_map import mappings, status_kib
from securemem.testing.conformance._rows import CannotStageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem._memory_map import Mapping

__all__ = ["PAGE", "Probe"]

PAGE = os.sysconf("SC_PAGE_SIZE")
NOBODY = 65534
PROT_NONE, PROT_READ, READ_WRITE = 0, 1, 3
MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_LOCKED = 1, 2, 0x20, 0x2000
_MAP_FIXED = 0x10
_PR_SET_DUMPABLE = 4
ONFAULT = 1
CURRENT, FUTURE, ALL_ONFAULT = 1, 2, 4
_KPF_UNEVICTABLE, _KPF_MLOCKED = 18, 33  # the kernel's Documentation/admin-guide/mm/pagemap.rst
_NUMBERS = {
    "x86_64": {"mlock": 149, "munlock": 150, "mlockall": 151, "munlockall": 152, "mlock2": 325},
    "aarch64": {"mlock": 228, "munlock": 229, "mlockall": 230, "munlockall": 231, "mlock2": 284},
}

_TELL_LOCKED = """
with open("/proc/self/status") as lines:
    print("VmLck", next(line for line in lines if line.startswith("VmLck")).split()[1])
"""


class Probe:
    """Calls with integers, answers as errno names: "0" for success."""

    def __init__(self) -> None:
        """Find the C library and the numbers of the calls; CannotStageError on a machine that has none here."""
        numbers = _NUMBERS.get(platform.machine())
        if numbers is None:
            raise CannotStageError(f"the numbers of the calls on {platform.machine()} are not known here")
        self._numbers = numbers
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.mmap.restype = ctypes.c_void_p
        self._libc.mremap.restype = ctypes.c_void_p
        self._libc.syscall.restype = ctypes.c_long
        self._libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # after setuid this process's own files in /proc are root's

    # The calls

    def _call(self, name: str, *arguments: int) -> str:
        words = [ctypes.c_ulong(one & (2**64 - 1)) for one in arguments]
        return self._answer(self._libc.syscall(ctypes.c_long(self._numbers[name]), *words))

    def _answer(self, result: int) -> str:
        return "0" if result == 0 else errno.errorcode[ctypes.get_errno()]

    def mlock(self, address: int, length: int) -> str:
        """Call mlock."""
        return self._call("mlock", address, length)

    def mlock2(self, address: int, length: int, flags: int) -> str:
        """Call mlock2."""
        return self._call("mlock2", address, length, flags)

    def munlock(self, address: int, length: int) -> str:
        """Call munlock."""
        return self._call("munlock", address, length)

    def mlockall(self, flags: int) -> str:
        """Call mlockall."""
        return self._call("mlockall", flags)

    def munlockall(self) -> str:
        """Call munlockall."""
        return self._call("munlockall")

    # Memory to call them on

    def try_map(
        self,
        pages: int,
        protection: int = READ_WRITE,
        flags: int = MAP_PRIVATE | MAP_ANONYMOUS,
        fd: int = -1,
    ) -> tuple[int, str]:
        """Map so many pages: the address and "0", or 0 and the errno."""
        words = (ctypes.c_size_t(pages * PAGE), protection, flags, fd, ctypes.c_long(0))
        got = self._libc.mmap(ctypes.c_void_p(0), *words)
        if got is None or got == ctypes.c_void_p(-1).value:
            return 0, errno.errorcode[ctypes.get_errno()]
        return int(got), "0"

    def map(
        self,
        pages: int,
        protection: int = READ_WRITE,
        flags: int = MAP_PRIVATE | MAP_ANONYMOUS,
        fd: int = -1,
    ) -> int:
        """Map so many pages between two pages that are not mapped, so that no neighbour is merged with them."""
        around, said = self.try_map(pages + 2, PROT_NONE)
        if said != "0":
            raise OSError(getattr(errno, said), os.strerror(getattr(errno, said)))
        self.unmap(around, pages + 2)
        words = (ctypes.c_size_t(pages * PAGE), protection, flags | _MAP_FIXED, fd, ctypes.c_long(0))
        got = self._libc.mmap(ctypes.c_void_p(around + PAGE), *words)
        if got != around + PAGE:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return int(got)

    def unmap(self, address: int, pages: int) -> None:
        """Unmap so many pages."""
        self._check(self._libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(pages * PAGE)))

    def protect(self, address: int, pages: int, protection: int) -> None:
        """Change the access."""
        self._check(self._libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(pages * PAGE), protection))

    def advise(self, address: int, pages: int, advice: int) -> str:
        """Call madvise."""
        return self._answer(self._libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(pages * PAGE), advice))

    def grow(self, address: int, pages: int, to: int) -> int:
        """Grow a mapping by mremap, moving it where it must be; the new address."""
        words = (ctypes.c_void_p(address), ctypes.c_size_t(pages * PAGE), ctypes.c_size_t(to * PAGE), 1)
        return int(self._libc.mremap(*words))

    def grow_heap(self, pages: int) -> str:
        """Move the end of the heap (brk) up by so many pages."""
        self._libc.sbrk.restype = ctypes.c_void_p
        got = self._libc.sbrk(ctypes.c_long(pages * PAGE))
        return errno.errorcode[ctypes.get_errno()] if got == ctypes.c_void_p(-1).value else "0"

    def _check(self, result: int) -> None:
        if result != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def touch(self, address: int, pages: int = 1, value: int = 1) -> None:
        """Write to the first byte of each page."""
        for index in range(pages):
            ctypes.c_ubyte.from_address(address + index * PAGE).value = value

    def read(self, address: int) -> int:
        """Read a byte."""
        return ctypes.c_ubyte.from_address(address).value

    # What the kernel says

    def locked(self) -> int:
        """VmLck in pages."""
        return status_kib("VmLck") * 1024 // PAGE

    def size(self) -> int:
        """VmSize in pages."""
        return status_kib("VmSize") * 1024 // PAGE

    def mapping(self, address: int) -> Mapping:
        """The mapping that an address lies in."""
        return next(one for one in mappings() if one.start <= address < one.end)

    def flags(self, address: int, pages: int = 1) -> str:
        """For each page: L locked, F locked on fault, a dot for neither."""
        said = ""
        for index in range(pages):
            found = self.mapping(address + index * PAGE).flags
            said += ("F" if "lf" in found else "L") if "lo" in found else "."
        return said

    def resident(self, address: int, pages: int = 1) -> str:
        """For each page: R for one in RAM, a dot for one that is not (mincore, and for anonymous memory pagemap)."""
        with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:  # noqa: PTH123 - read at an offset
            found = os.pread(pagemap.fileno(), 8 * pages, address // PAGE * 8)
        return "".join("R" if one >> 63 & 1 else "." for one in struct.unpack(f"<{pages}Q", found))

    def page_flags(self, address: int) -> str:
        """M for a page that is mlocked, U for unevictable, or "-"; CannotStageError where root's files are not ours."""
        try:
            with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:  # noqa: PTH123 - read at an offset
                (entry,) = struct.unpack("<Q", os.pread(pagemap.fileno(), 8, address // PAGE * 8))
            frame = entry & (2**55 - 1)
            if frame == 0:
                raise CannotStageError("the kernel hides the numbers of page frames (CAP_SYS_ADMIN is missing)")
            with open("/proc/kpageflags", "rb", buffering=0) as file:  # noqa: PTH123 - read at an offset
                (flags,) = struct.unpack("<Q", os.pread(file.fileno(), 8, frame * 8))
        except OSError as error:
            raise CannotStageError(f"/proc/kpageflags cannot be read: {error.strerror}") from None
        said = "M" * (flags >> _KPF_MLOCKED & 1) + "U" * (flags >> _KPF_UNEVICTABLE & 1)
        return said or "-"

    def page_flags_become(self, address: int, expected: str) -> str:
        """The same once it is what is expected, or after a while: the kernel moves pages between its lists in batches.

        Each look locks and unlocks other pages, which fills the batches.
        """
        said = self.page_flags(address)
        for _ in range(200):
            if said == expected:
                break
            others = self.map(16)
            self.mlock(others, 16 * PAGE)
            self.unmap(others, 16)
            said = self.page_flags(address)
        return said

    # The process

    def limit(self, pages: float) -> None:
        """Set the soft and the hard RLIMIT_MEMLOCK, in pages."""
        size = int(pages * PAGE)
        _, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
        if hard not in {resource.RLIM_INFINITY, -1} and size > hard and os.geteuid() != 0:
            raise CannotStageError(f"the hard limit RLIMIT_MEMLOCK is {hard} bytes: {size} are needed")
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (size, max(size, hard) if hard != -1 else hard))
        except (OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (size, hard))

    def become_user(self) -> None:
        """Give up all privileges; nothing to do for an ordinary user."""
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        self._libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # or this process's own files in /proc are root's

    def need_privilege(self) -> None:
        """CannotStageError unless this process may lock more than its limit (CAP_IPC_LOCK)."""
        with open("/proc/self/status", encoding="utf-8") as status:  # noqa: PTH123 - a stream of lines
            caps = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))
        if not caps >> 14 & 1:
            raise CannotStageError("CAP_IPC_LOCK is missing")

    def in_child(self, work: Callable[[], str]) -> str:
        """What a function says in a child made by fork; the name of the signal that ended it, if one did."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, work().encode())
            finally:
                os._exit(0)
        os.close(writing)
        said = os.read(reading, 4096).decode()
        os.close(reading)
        _, status = os.waitpid(child, 0)
        return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else said

    def in_new_program(self, before: Callable[[], object]) -> str:
        """VmLck after exec, in a child that does something first; CannotStageError where Python cannot be run."""

        def start() -> str:
            before()
            os.execv(sys.executable, [sys.executable, "-ISc", _TELL_LOCKED])  # noqa: S606 - the exec is what is tested

        if not os.access(sys.executable, os.X_OK):
            raise CannotStageError("this user may not start Python")
        reading, writing = os.pipe()
        os.dup2(writing, 1)
        os.close(writing)
        self.in_child(start)
        said = os.read(reading, 100).decode().strip()
        os.close(reading)
        return said
