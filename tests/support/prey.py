"""The processes that are attacked, and how.

A prey is another process that holds two secrets: `key`, in a SecureBytes, and `control`, made equally but held in a
bytearray. It tells both through a pipe straight from where they lie, and never has them as constants. So each scan has
its positive control in itself: what finds the control would find the key.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from securemem.scanning import scan_file, scan_process
from tests.support import programs
from tests.support.key_schedules import every_form_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from securemem.scanning import Copies, Needle

PATIENCE = 60  # seconds until a prey that says nothing counts as hung

PRELUDE = "from tests.support.prey_child import *\n"


class Found(NamedTuple):
    """Copies of the key and of the control, each (in locked memory, elsewhere), in any form, whole or in parts."""

    key: tuple[int, int]
    control: tuple[int, int]


def _counted(copies: Copies) -> tuple[int, int]:
    return copies.locked, copies.unlocked


class Prey:
    """A process under attack, and what the attacker knows."""

    def __init__(self, code: str, directory: Path, *, run: bool = False) -> None:
        program = ["-c", PRELUDE + code]
        if run:
            script = directory / "prey.py"
            script.write_text(PRELUDE + code)
            program = ["-m", "securemem", "run", str(script)]
        (self._tell, tell), (self._say, say), (go_on, self._go_on) = os.pipe(), os.pipe(), os.pipe()
        theirs = (tell, say, go_on)
        self.process = subprocess.Popen(
            [sys.executable, *program, *map(str, theirs)],
            pass_fds=theirs,
            cwd=directory,
            stderr=subprocess.PIPE,
            env=programs.environment(),
        )
        self.pid = self.process.pid
        assert self.process.stderr is not None
        self._errors = self.process.stderr
        for descriptor in theirs:
            os.close(descriptor)
        self._heard = b""
        self.key: tuple[Needle, ...] = ()
        self.control: tuple[Needle, ...] = ()

    def _read(self, descriptor: int) -> bytes:
        ready, _, _ = select.select([descriptor], [], [], PATIENCE)
        data = os.read(descriptor, 1 << 16) if ready else b""
        if not data:
            self.process.kill()
            pytest.fail(f"the prey ended or hangs: {self._errors.read().decode()}")
        return data

    def _hear(self, size: int) -> bytes:
        while len(self._heard) < size:
            self._heard += self._read(self._tell)
        heard, self._heard = self._heard[:size], self._heard[size:]
        return heard

    def learn(self, size: int = 32) -> None:
        """Hear the key and then the control."""
        heard = self._hear(2 * size)
        self.key, self.control = every_form_of(heard[:size]), every_form_of(heard[size:])

    def learn_sized(self) -> int:
        """Hear a size, a key and a control of that size, and wait until the prey stands still; 0: there are no more."""
        size = int.from_bytes(self._hear(4))
        if size:
            self.learn(size)
            self.wait()
        return size

    def wait(self) -> str:
        """Wait until the prey stands still; what it says."""
        return self._read(self._say).decode().strip()

    def go_on(self) -> None:
        """Let it run."""
        os.write(self._go_on, b".")

    def next(self) -> str:
        """Let it run until it stands still again."""
        self.go_on()
        return self.wait()

    def scan(self, pid: int | None = None) -> Found:
        """Search its memory, or that of a process it made, for key and control."""
        pid = self.pid if pid is None else pid
        return Found(_counted(scan_process(pid, self.key)), _counted(scan_process(pid, self.control)))

    def search(self, path: Path) -> Found:
        """Search a file for both."""
        return Found(_counted(scan_file(path, self.key)), _counted(scan_file(path, self.control)))

    def end(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        self._errors.close()
        for descriptor in (self._tell, self._say, self._go_on):
            os.close(descriptor)


@pytest.fixture
def prey(tmp_path: Path) -> Iterator[Callable[..., Prey]]:
    """Start processes that run some code after the prelude, in tmp_path; end them after the test.

    With run=True they are started by `securemem run`.
    """
    started: list[Prey] = []

    def start(code: str, *, run: bool = False) -> Prey:
        started.append(Prey(code, tmp_path, run=run))
        return started[-1]

    yield start
    for one in started:
        one.end()
