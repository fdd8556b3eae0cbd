"""Looks at this process from another one, which learns a secret straight from its slot."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from securemem.exceptions import ScanRefusedError
from securemem.secure_bytes import SecureBytes
from securemem.testing._reports import Report

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Watcher", "assert_no_copies"]

_PR_SET_PTRACER = 0x59616D61  # linux/prctl.h
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from securemem.testing._watching import main; main()"


def _let_be_traced_by(pid: int) -> None:
    """Where Yama lets processes be traced by their ancestors only, name the one that may; 0: nobody any more.

    A kernel without Yama knows no such call, and needs none. Source: prctl(2), PR_SET_PTRACER.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(pid), 0, 0, 0)


class Watcher:
    """Another process that knows secrets and searches this one for copies of them; a context manager that ends it.

    It is started by subprocess, so that it inherits nothing; it learns a secret by a pipe that is written straight from
    the slot, and keeps it in its own ordinary memory, out of cores, until it ends. So use it in tests, with secrets of
    tests. Not for several threads at once.
    """

    def __init__(self) -> None:
        """Start it. Raises OSError where no process can be started."""
        command = [sys.executable, "-c", _START, json.dumps(sys.path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ourselves
        assert self._process.stdin is not None  # noqa: S101 - for the type checker
        assert self._process.stdout is not None  # noqa: S101 - the same
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        self.pid: int = self._process.pid

    def learn(self, secret: SecureBytes) -> None:
        """Tell it a secret, instead of those it knew; 8 bytes or more.

        Raises TypeError for anything but a SecureBytes, ValueError for a secret that is found anywhere (fewer than 8
        bytes, or fewer than 4 different ones).
        """
        if not isinstance(secret, SecureBytes):
            raise TypeError("a secret to watch is a SecureBytes: any other object is a copy of it by itself")
        self._ask("learn", len(secret))
        with secret.reveal() as view:
            done = 0
            while done < len(view):
                with view[done:] as rest:
                    done += os.write(self._to, rest)
        self._answer()

    def make(self, size: int = 32) -> SecureBytes:
        """Let it make a random secret, and take that straight into a slot: this process never had it anywhere else."""
        secret = SecureBytes.zeros(size)
        self.fill(secret)
        return secret

    def fill(self, secret: SecureBytes) -> None:
        """Let it make random bytes, and take them straight into a secret that is there."""
        self._ask("make", len(secret))
        with secret.reveal(writable=True) as view:
            done = 0
            while done < len(view):
                with view[done:] as rest:
                    got = os.readv(self._from, [rest])
                if not got:
                    raise self._ended()
                done += got

    def scan(self, pid: int | None = None) -> Report:
        """Search this process, or another one, for the secret that it learnt or made last.

        Raises ScanRefusedError where the kernel forbids it, ValueError where it knows no secret, ProcessLookupError
        where there is no such process.
        """
        own = pid is None
        if own:
            _let_be_traced_by(self.pid)
        try:
            self._ask("scan", os.getpid() if pid is None else pid)
            return Report.from_json(self._answer())
        finally:
            if own:
                _let_be_traced_by(0)

    def close(self) -> None:
        """End it; may be called again."""
        self._process.kill()
        self._process.wait()
        for stream in filter(None, (self._process.stdin, self._process.stdout)):
            with suppress(OSError):
                stream.close()

    def _ask(self, verb: str, number: int) -> None:
        if self._process.returncode is not None:
            raise self._ended()
        try:
            os.write(self._to, f"{verb} {number}\n".encode())
        except BrokenPipeError:
            raise self._ended() from None

    def _ended(self) -> RuntimeError:
        return RuntimeError("the process that scans has ended: see its own words on standard error")

    def _answer(self) -> bytes:
        line = bytearray()
        while not line.endswith(b"\n"):
            if not (piece := os.read(self._from, 1 << 16)):
                raise self._ended()
            line += piece
        kind, _, said = bytes(line).partition(b" ")
        if kind == b"refused":
            number, _, text = said.decode().strip().partition(" ")
            raise ScanRefusedError(int(number), text)
        if kind == b"gone":
            raise ProcessLookupError(said.decode().strip())
        if kind == b"wrong":
            raise ValueError(said.decode().strip())
        return said

    def __enter__(self) -> Self:
        """Return the watcher itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """End it."""
        self.close()


def assert_no_copies(secret: SecureBytes, *, allowed: int = 0) -> Report:
    """Fail if this process holds a secret anywhere but once in locked memory, as another process sees it.

    allowed: so many copies outside locked memory are no failure, for code that is known to keep some. The scanning
    process holds the secret in ordinary memory while it runs (see `Watcher`): use it in tests.

    Returns the report. Raises AssertionError, which names the places and no byte; TypeError for anything but a
    SecureBytes, ValueError for a secret that is found anywhere, and ScanRefusedError where the kernel does not let the
    process be scanned: it is not dumpable, or Yama or a container forbids ptrace.
    """
    with Watcher() as watcher:
        watcher.learn(secret)
        report = watcher.scan()
    if report.unlocked > allowed or report.locked > 1:
        raise AssertionError(report.describe())
    return report
