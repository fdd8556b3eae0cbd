"""The attacker of `securemem evidence`: it starts a process for each way to hold a key, and searches it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from securemem.exceptions import ScanRefusedError
from securemem.testing import needles_of, scan, scan_core

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from securemem.scanning import Needle
    from securemem.testing import Copy, Report

__all__ = ["ATTACKS", "WAYS", "Cell", "attack_all"]

WAYS = {
    "bytes": "bytes",
    "bytearray": "bytearray, overwritten",
    "pynacl": "PyNaCl",
    "libsodium": "libsodium's heap",
    "run": "bytes under securemem run",
    "mlock": "securemem, mlock",
    "memfd_secret": "securemem, memfd_secret",
    "crypto-heap": "securemem, crypto heap",
}
ATTACKS = {
    "held": ("memory, key held", "/proc/PID/mem is read while the key is held and was not used yet"),
    "used": ("memory, key in use", "the same after an encryption by the key, with its cipher kept where that is usual"),
    "gcore": (
        "debugger's core",
        "gdb writes a core of the living process, told to ignore what is not to be dumped; "
        "locked pages are in it then, secret memory is not",
    ),
    "child": ("forked child", "the memory of a child that the process forked is read"),
    "released": ("memory, key released", "/proc/PID/mem is read after the key and the cipher were let go"),
    "core": ("kernel's core", "the process dies by SIGABRT while it holds the key, and the kernel writes its core"),
}
_PATIENCE = 60
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from securemem.cli._evidence_worker import main; "
    "sys.exit(main(*sys.argv[2:]))"
)


class Cell(NamedTuple):
    """What one attack on one way to hold a key came to: copies, the places of the first, or why it was not tried."""

    unlocked: int = 0
    locked: int = 0
    why: str = ""
    places: tuple[Copy, ...] = ()


class _CannotError(Exception):
    """A way to hold a key cannot be shown here; the text says why."""


def _command(way: str, end: str) -> tuple[list[str], dict[str, str]]:
    environment = dict(os.environ)
    if way != "run":
        return [sys.executable, "-c", _START, json.dumps(sys.path), way, end], environment
    environment["PYTHONPATH"] = os.pathsep.join(one for one in sys.path if one)
    worker = ["-m", "securemem", "run", "-m", "securemem.cli._evidence_worker", "bytes", end]
    return [sys.executable, *worker], environment


class _Worker:
    """One process under attack."""

    def __init__(self, way: str, end: str, directory: str) -> None:
        command, environment = _command(way, end)
        self.process = subprocess.Popen(  # noqa: S603 - ourselves
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=directory,
            env=environment,
        )
        self._out = cast("IO[bytes]", self.process.stdout)
        self._to = cast("IO[bytes]", self.process.stdin)
        first = self._out.read(1)
        if first != b"+":
            why = self._out.readline().decode(errors="replace").strip()
            raise _CannotError(why or "the process could not be started")
        self.needles: tuple[Needle, ...] = needles_of(self._out.read(32))

    def moment(self) -> str:
        """Wait for the next one."""
        said = self._out.readline().decode(errors="replace").strip()
        if not said or said.startswith("!"):
            raise _CannotError(said[1:] or "the process ended")
        return said

    def go_on(self) -> None:
        """Let it run."""
        self._to.write(b".")
        self._to.flush()

    def end(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.communicate()


def _cell(look: Callable[[], Report]) -> Cell:
    try:
        report = look()
    except ScanRefusedError:
        return Cell(why="the kernel refuses it")
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Cell(why=getattr(error, "strerror", None) or str(error))
    return Cell(report.unlocked, report.locked, places=report.copies[:50])


def _debugger(worker: _Worker, directory: str) -> Cell:
    if shutil.which("gdb") is None:
        return Cell(why="gdb is not installed")
    path = Path(directory, "debugger.core")
    settings = ("set dump-excluded-mappings on", "set use-coredump-filter off", f"generate-core-file {path}", "detach")
    words = [word for one in settings for word in ("-ex", one)]
    command = ["gdb", "-nx", "-batch", "-p", str(worker.process.pid), *words]
    subprocess.run(command, capture_output=True, check=False, timeout=_PATIENCE)  # noqa: S603 - gdb, with our words
    if not path.exists():
        return Cell(why="gdb could not attach")
    try:
        return _cell(lambda: scan_core(path, worker.needles))
    finally:
        path.unlink()


def _why_no_core() -> str:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8").strip()
    if "/" in pattern or pattern.startswith("|") or not pattern.startswith("core"):
        return "the kernel gives cores to somebody else"
    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    return "RLIMIT_CORE forbids whole cores" if soft != resource.RLIM_INFINITY else ""


def _kernel_core(way: str, directory: str) -> Cell:
    if why := _why_no_core():
        return Cell(why=why)
    worker = _Worker(way, "core", directory)
    try:
        for _ in range(2):
            worker.moment()
            worker.go_on()
        worker.process.wait(_PATIENCE)
        cores = list(Path(directory).glob("core*"))
        if not cores:
            return Cell(why="the process makes no core") if way == "run" else Cell(why="the kernel wrote no core")
        return _cell(lambda: scan_core(cores[0], worker.needles))
    finally:
        worker.end()
        for core in Path(directory).glob("core*"):
            core.unlink()


def _alive(way: str, directory: str, tell: Callable[[str], None]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    worker = _Worker(way, "end", directory)
    try:
        for name in ("held", "used", "child", "released"):
            tell(name)
            said = worker.moment()
            pid = int(said.split()[1]) if name == "child" else worker.process.pid
            cells[name] = _cell(partial(scan, pid, worker.needles))
            if name == "used":
                tell("gcore")
                cells["gcore"] = _debugger(worker, directory)
            worker.go_on()
    finally:
        worker.end()
    return cells


def attack_all(tell: Callable[[int, int, str], None]) -> dict[str, dict[str, Cell]]:
    """Every attack on every way, by way and attack; `tell` hears how many of how many are done, and what is next."""
    found: dict[str, dict[str, Cell]] = {}
    total = len(WAYS) * len(ATTACKS)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))  # workers inherit it; this process makes none
    with tempfile.TemporaryDirectory(prefix="securemem-evidence-") as directory:
        for number, (way, label) in enumerate(WAYS.items()):

            def step(attack: str, number: int = number, label: str = label) -> None:
                tell(number * len(ATTACKS) + list(ATTACKS).index(attack), total, f"{label}: {ATTACKS[attack][0]}")

            cells: dict[str, Any] = {}
            try:
                cells = _alive(way, directory, step)
                step("core")
                cells["core"] = _kernel_core(way, directory)
            except _CannotError as error:
                cells |= {name: Cell(why=str(error)) for name in ATTACKS if name not in cells}
            found[way] = {name: cells[name] for name in ATTACKS}
    tell(total, total, "done")
    return found
