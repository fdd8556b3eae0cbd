"""A debugger's hold on another process, which reads pages that the process itself has no access to.

Since Linux 6.12 the kernel may be set so that /proc/PID/mem gives pages without access to the process's tracer only
(CONFIG_PROC_MEM_FORCE_PTRACE, proc_mem.force_override=ptrace), or to nobody (`never`). PTRACE_PEEKDATA gives them
always, one word a call. Source: ptrace(2); the kernel's fs/proc/base.c, proc_mem_foll_force.
"""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress

__all__ = ["Debugger"]

_PEEKDATA, _DETACH, _SEIZE, _INTERRUPT = 2, 17, 0x4206, 0x4207  # linux/ptrace.h
_WORD = ctypes.sizeof(ctypes.c_long)


class Debugger:
    """Holds a process as its tracer: it stands still until `let_go`, which must be called by the same thread."""

    def __init__(self, pid: int) -> None:
        """Attach to the process and stop it.

        Raises PermissionError where the kernel forbids it or another tracer is there, ProcessLookupError where the
        process has ended.
        """
        # The scanner reads as an attacker does, with nothing of securemem's own core.
        self._ptrace = ctypes.CDLL(None, use_errno=True).ptrace
        self._ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
        self._ptrace.restype = ctypes.c_long
        self._pid = pid
        self._signal = 0  # one that was on its way to the process when it stopped
        self._call(_SEIZE)
        try:
            self._call(_INTERRUPT)
            self._wait()
        except BaseException:
            self.let_go()
            raise

    def _call(self, request: int, address: int = 0, data: int = 0) -> int:
        ctypes.set_errno(0)
        result: int = self._ptrace(request, self._pid, address, data)
        number = ctypes.get_errno()
        if result == -1 and number:
            raise OSError(number, os.strerror(number))
        return result

    def _wait(self) -> None:
        """Wait for the stop; an end is left to whoever waits for the process."""
        seen = os.waitid(os.P_PID, self._pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if seen is None or seen.si_code in {os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED}:
            raise ProcessLookupError(errno.ESRCH, f"process {self._pid} ended while it was scanned")
        _, status = os.waitpid(self._pid, 0)
        if status >> 16 == 0:  # no event of ours: a signal stopped it first
            self._signal = os.WSTOPSIG(status)

    def read(self, address: int, size: int) -> bytes:
        """Read bytes, a word at a time. Raises OSError (EIO, EFAULT) where there is nothing that can be read."""
        start = address - address % _WORD
        words = (self._call(_PEEKDATA, at) for at in range(start, address + size, _WORD))
        data = b"".join((word & (1 << 8 * _WORD) - 1).to_bytes(_WORD, "little") for word in words)
        return data[address - start : address - start + size]

    def let_go(self) -> None:
        """Let the process go on, with the signal that was on its way to it. One that has ended is no error."""
        with suppress(ProcessLookupError):
            self._call(_DETACH, data=self._signal)
