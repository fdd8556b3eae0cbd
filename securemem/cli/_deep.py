"""`securemem doctor --deep`: what this cryptography leaves outside locked memory, one operation after the other.

A child uses cryptography; this process made up the secrets, and searches the child's memory for them: while the objects
live and when they are gone, without the crypto heap, with it, and in a section of it.
"""

from __future__ import annotations

import os
import platform
import select
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from securemem.cli._deep_keys import CASES, make_input
from securemem.cli._output import write
from securemem.scanning import forms_of, scan_process
from securemem.testing import needles_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from securemem.scanning import Needle

__all__ = ["MODES", "NAMES", "Child", "Looks", "needles_of_all", "run"]

NAMES = tuple(CASES)
MODES = {"off": "without", "heap": "heap", "section": "section"}
_PATIENCE = 60  # seconds
_LARGE = 64  # bytes: of larger secrets, which are numbers, no key schedules are made


class Looks(NamedTuple):
    """Forms of a case's secrets outside locked memory, while its objects live and when they are gone."""

    alive: tuple[str, ...]
    gone: tuple[str, ...]


def needles_of_all(secrets: Iterable[bytes]) -> tuple[Needle, ...]:
    """Every form of some secrets; of large numbers no key schedules."""
    found: dict[bytes, Needle] = {}
    for secret in secrets:
        for one in needles_of(secret) if len(secret) <= _LARGE else forms_of(secret):
            found.setdefault(one.pattern, one)
    return tuple(found.values())


class Child:
    """A process of _deep_child in a mode. RuntimeError where it ends or hangs."""

    def __init__(self, mode: str, *, environment: dict[str, str] | None = None) -> None:
        (self._tell, tell), (self._say, say), (go_on, self._go_on), (hear, self._hear) = (os.pipe() for _ in range(4))
        theirs = (tell, say, go_on, hear)
        command = [sys.executable, "-m", "securemem.cli._deep_child", mode, *map(str, theirs)]
        self.process = subprocess.Popen(  # noqa: S603 - this Python and a module of ours
            command, pass_fds=theirs, stderr=subprocess.PIPE, env=environment
        )
        for descriptor in theirs:
            os.close(descriptor)

    def _read(self, descriptor: int, size: int) -> bytes:
        heard = b""
        while len(heard) < size:
            ready, _, _ = select.select([descriptor], [], [], _PATIENCE)
            part = os.read(descriptor, size - len(heard)) if ready else b""
            if not part:
                self.process.kill()
                said = self.process.stderr.read().decode() if self.process.stderr is not None else ""
                raise RuntimeError(f"the child ended or hangs: {said}")
            heard += part
        return heard

    def _look(self, needles: tuple[Needle, ...]) -> tuple[str, ...]:
        copies = scan_process(self.process.pid, needles)
        return tuple(f"{place.count} x {place.form} in {place.memory}" for place in copies.where if not place.locked)

    def do(self, name: str) -> Looks:
        """Let it do a case, and look twice."""
        given, secrets = make_input(name)
        os.write(self._hear, f"{name} {len(given)}\n".encode())
        os.write(self._hear, given)
        self._read(self._say, 6)
        if not secrets:
            secrets = (self._read(self._tell, int.from_bytes(self._read(self._tell, 4), "big")),)
        needles = needles_of_all(secrets)
        alive = self._look(needles)
        os.write(self._go_on, b".")
        self._read(self._say, 6)
        gone = self._look(needles)
        os.write(self._go_on, b".")
        return Looks(alive, gone)

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()
        for descriptor in (self._tell, self._say, self._go_on, self._hear):
            os.close(descriptor)


def _word(looks: Looks) -> str:
    return f"{'clean' if not looks.alive else 'copies':<7}{'clean' if not looks.gone else 'copies':<7}"


def run(words: Sequence[str]) -> int:
    """Print the table; 0 where everything is clean in a section, 1 where not. words: of the names of operations."""
    names = [name for name in NAMES if not words or any(word.lower() in name.lower() for word in words)]
    if not names:
        write(f"no operation has a name with {' or '.join(words)} in it")
        return 2
    wide = max(map(len, names))
    write(
        f"cryptography {version('cryptography')}, CPython {platform.python_version()}, Linux {platform.release()}, "
        f"{platform.machine()}: alive, gone"
    )
    write(f"{'operation':<{wide}}  {'without':<14}  {'heap':<14}  {'section':<14}")
    clean = dict.fromkeys(MODES, 0)
    children: list[Child] = []
    try:
        children += [Child(mode) for mode in MODES]
        for name in names:
            found = [child.do(name) for child in children]
            for mode, looks in zip(MODES, found, strict=True):
                clean[mode] += not looks.alive and not looks.gone
            write(f"{name:<{wide}}  {'  '.join(map(_word, found))}")
    finally:
        for child in children:
            child.end()
    write(f"clean, of {len(names)}: " + ", ".join(f"{MODES[mode]} {count}" for mode, count in clean.items()))
    return 0 if clean["section"] == len(names) else 1
