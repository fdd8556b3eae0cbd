"""The doors, and forks with inherited secrets, against what a program would do without them."""

from __future__ import annotations

import ctypes
import functools
import json
import mmap
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from securemem import Arena, doors
from tests.bench.measures import Count, Loop, Measure, Outcome, Ratio, statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.contenders import AtRest

MIB = 1 << 20
SECRETS = 1_000
PASTE = "x" * 1023 + "\n"

READ = "with open(path, 'rb') as file: data = file.read()"


@contextmanager
def _file() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="securemem-bench-") as folder:
        path = Path(folder, "file")
        path.write_bytes(os.urandom(MIB))
        path.chmod(0o600)
        yield str(path)


@contextmanager
def read_file(at_rest: AtRest) -> Iterator[tuple[Loop, Loop]]:
    """A file of 1 MiB into a secret, against one into bytes."""
    with _file() as path, Arena(at_rest=at_rest) as arena:
        yield (
            statement("secret = read_file(path, arena=arena)", read_file=doors.read_file, path=path, arena=arena),
            statement(READ, path=path),
        )


@contextmanager
def read_file_beside_window() -> Iterator[tuple[Loop, Loop]]:
    """The same without access at rest, against one into bytes with the kernel's work for such pages.

    That work is mprotect there and back on 1 MiB: 256 entries of the page table each time.
    """
    libc = ctypes.CDLL(None)
    with _file() as path, Arena() as arena, mmap.mmap(-1, MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
        pages.madvise(mmap.MADV_NOHUGEPAGE)
        pages.write(bytes(MIB))
        held = ctypes.c_char.from_buffer(pages)
        where = ctypes.c_void_p(ctypes.addressof(held))
        shut, open_again = (functools.partial(libc.mprotect, where, MIB, access) for access in (0, 3))
        yield (
            statement("secret = read_file(path, arena=arena)", read_file=doors.read_file, path=path, arena=arena),
            statement(f"{READ}\nshut(); open_again()", path=path, shut=shut, open_again=open_again),
        )
        del held


FORKER = """
import os, sys, time
from securemem import Arena, SecureBytes
arena = Arena(fork=sys.argv[1])
kept = [SecureBytes.random(32, arena=arena) for _ in range(int(sys.argv[2]))]
for line in sys.stdin:
    begin = time.perf_counter()
    for _ in range(int(line)):
        child = os.fork()
        if child == 0:
            os._exit(len(kept[-1]) != 32)
        assert os.waitpid(child, 0)[1] == 0
    print((time.perf_counter() - begin) / int(line), flush=True)
"""


@contextmanager
def _forker(fork: str) -> Iterator[Loop]:
    """A process with 1,000 secrets that forks when told; each child looks at one of them if it may."""
    program = FORKER if fork == "inherit" else FORKER.replace("len(kept[-1]) != 32", "0")
    command = [sys.executable, "-c", program, fork, str(SECRETS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        source, sink = process.stdin, process.stdout
        assert source is not None
        assert sink is not None

        def loop(count: int) -> float:
            source.write(f"{count}\n")
            source.flush()
            return float(sink.readline())

        yield loop
        source.close()


@contextmanager
def fork() -> Iterator[tuple[Loop, Loop]]:
    """A fork to its child's end, with 1,000 secrets that the child inherits, against 1,000 that it does not."""
    with _forker("inherit") as ours, _forker("exclude") as theirs:
        yield ours, theirs


# Asks by turns, on its controlling terminal, and prints the seconds of each.
ASKER = """
import getpass, json, os, sys, time
from securemem import doors
os.close(os.open(sys.argv[1], os.O_RDWR))  # a session's leader gets its controlling terminal so
taken = ([], [])
for number in range(2 * int(sys.argv[2])):
    ask = (doors.prompt, getpass.getpass)[number % 2]
    begin = time.perf_counter()
    assert len(ask("ask: ")) == 1023
    taken[number % 2].append(time.perf_counter() - begin)
print(json.dumps(taken))
"""


def prompt(rounds: int = 60) -> Outcome:
    """A paste of 1 KiB at a terminal, over getpass: the quicker quarter of each, as the other end is slow."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", ASKER, os.ttyname(theirs), str(rounds)]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, text=True) as process:
            for _ in range(2 * rounds):
                said = b""
                while not said.endswith(b"ask: "):
                    said += os.read(ours, 4096)
                os.write(ours, PASTE.encode())
            assert process.stdout is not None
            mine, other = json.loads(process.stdout.read())
    finally:
        os.close(ours)
        os.close(theirs)
    quick, other_quick = (statistics.quantiles(times, n=4)[0] for times in (mine, other))
    return Outcome(quick / other_quick, f"{quick * 1e6:.0f} µs against getpass's {other_quick * 1e6:.0f}")


MEASURES: list[Measure] = [
    Ratio("read_file 1 MiB, readwrite / into bytes", lambda: read_file("readwrite"), 1.3),
    Ratio("read_file 1 MiB, noaccess / into bytes", lambda: read_file("noaccess"), None),
    Ratio("read_file 1 MiB, noaccess / into bytes, and mprotect there and back", read_file_beside_window, 1.3),
    Ratio("fork with 1,000 inherited secrets / with 1,000 not inherited", fork, 1.3, repetitions=8),
    Count("prompt, a paste of 1 KiB / getpass", prompt, 1.3),
]
