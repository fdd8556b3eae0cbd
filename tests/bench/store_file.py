"""A key store in a file, beside a bare SQLite that does the same reads and writes with the same care for the disk.

Times are of this machine, since targets are: each is the least of some rounds, with SQLite's own taken off where its
name says "beside SQLite".
"""

from __future__ import annotations

import functools
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from securemem import KeyStore
from securemem.keystore.kek.key_file import KeyFile
from tests.bench.measures import Count, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRAGMAS = (
    "PRAGMA journal_mode=DELETE",
    "PRAGMA synchronous=EXTRA",
    "PRAGMA secure_delete=ON",
    "PRAGMA temp_store=MEMORY",
)
PAYLOAD = 32  # bytes of each secret
WRITERS, PUTS = 8, 25


def _least(work: Callable[[], object], rounds: int) -> float:
    """Seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


class Filled:
    """A store with so many opaque secrets, and a bare SQLite with as many rows, in a folder of their own."""

    def __init__(self, count: int) -> None:
        """Fill both: the store by one import, which is one transaction."""
        self._folder = tempfile.TemporaryDirectory(prefix="securemem-bench-")
        folder = Path(self._folder.name)
        self.kek = KeyFile.generate(folder / "kek")
        self.path = folder / "store"
        KeyStore.create(self.path, self.kek).close()
        self.empty = self.path.stat().st_size
        self.names = [f"name {number:06}" for number in range(count)]
        book = KeyStore()
        for name in self.names:
            book.put(name, bytearray(os.urandom(PAYLOAD)))
        book.export_records(folder / "export", self.kek)
        with KeyStore.open(self.path, self.kek) as store:
            store.import_records(folder / "export", self.kek)
        self.bare_path = folder / "bare"
        self.bare = bare(self.bare_path)
        rows = [(name.encode(), os.urandom(300)) for name in self.names]
        with self.bare:
            self.bare.executemany("INSERT INTO records VALUES (?, ?)", rows)

    def open(self) -> KeyStore:
        """The store, opened."""
        return KeyStore.open(self.path, self.kek)


def bare(path: Path) -> sqlite3.Connection:
    """A database with one table, written as durably as the store's."""
    connection = sqlite3.connect(path)
    for pragma in PRAGMAS:
        connection.execute(pragma)
    connection.execute("CREATE TABLE IF NOT EXISTS records (id BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID")
    return connection


@functools.cache
def filled(count: int) -> Filled:
    """The same one for every measure."""
    return Filled(count)


def opening(count: int) -> Outcome:
    """Milliseconds that open() takes, with every record checked."""
    there = filled(count)

    def read_all() -> None:
        connection = sqlite3.connect(there.bare_path)
        connection.execute("SELECT id, sealed FROM records").fetchall()
        connection.close()

    ours = _least(lambda: there.open().close(), 5)
    return Outcome(ours * 1e3, f"ms; SQLite reads as many rows in {_least(read_all, 5) * 1e3:.1f} ms")


def reading(count: int) -> Outcome:
    """Microseconds of get(), beside SQLite's."""
    there = filled(count)
    chosen = there.names[:: max(1, count // 200)]

    def read() -> None:
        for name in chosen:
            there.bare.execute("SELECT sealed FROM records WHERE id = ?", (name.encode(),)).fetchone()

    with there.open() as store:

        def get() -> None:
            for name in chosen:
                store.get(name)

        ours, theirs = (_least(work, 7) / len(chosen) * 1e6 for work in (get, read))
    return Outcome(ours - theirs, f"µs: {ours:.0f} against SQLite's {theirs:.0f}")


def finding(count: int) -> Outcome:
    """Milliseconds of find()."""
    there = filled(count)
    with there.open() as store:
        ours = _least(lambda: store.find("name 004999"), 5)
    query = "SELECT count(*) FROM records WHERE instr(id, ?)"
    theirs = _least(lambda: there.bare.execute(query, (b"name 004999",)).fetchall(), 5)
    return Outcome(ours * 1e3, f"ms; SQLite looks through as many clear names in {theirs * 1e3:.1f} ms")


def writing(count: int, *, rotating: bool = False) -> Outcome:
    """Milliseconds of put() or rotate() beside SQLite's own write of a row, with its syncs."""
    there = filled(count)
    numbers = iter(range(1_000_000))
    with there.open() as store:
        key = store["a key"] if "a key" in store else store.generate("a key", "AES-256-GCM")

        def ours() -> None:
            if rotating:
                key.rotate()
            else:
                store.put(f"new {next(numbers)}", bytearray(PAYLOAD))

        def theirs() -> None:
            with there.bare:
                there.bare.execute("INSERT INTO records VALUES (?, ?)", (os.urandom(16), b"x" * 300))

        mine, other = (_least(work, 15) * 1e3 for work in (ours, theirs))
        for name in [item.name for item in store.find("new ")]:
            store.delete(name)
    return Outcome(mine - other, f"ms: {mine:.2f} against SQLite's {other:.2f}")


def size_of_a_record(count: int) -> Outcome:
    """Bytes of the file for each record, beside its payload."""
    there = filled(count)
    each = (there.path.stat().st_size - there.empty) / count
    return Outcome(each - PAYLOAD, f"bytes: the file has {each:.0f} for each secret of {PAYLOAD}")


WRITER = """
import sys, time
from securemem import KeyStore
from securemem.keystore.kek.key_file import KeyFile
path, kek, who, count = sys.argv[1:]
with KeyStore.open(path, KeyFile(kek)) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(count)):
        store.put(f"{who}-{number}", bytearray(32))
"""


@contextmanager
def _writers(store: Path, kek: Path, count: int, puts: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes with the store open, that wait for a line."""
    command = [sys.executable, "-c", WRITER, str(store), str(kek)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([*command, str(who), str(puts)], **pipes) for who in range(count)]
    try:
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()
        yield started
    finally:
        for process in started:
            process.communicate()


def _written(count: int, puts: int) -> float:
    """Puts a second by so many processes into one new store."""
    with tempfile.TemporaryDirectory(prefix="securemem-bench-") as folder:
        store, kek = Path(folder, "store"), Path(folder, "kek")
        KeyStore.create(store, KeyFile.generate(kek)).close()
        with _writers(store, kek, count, puts) as processes:
            start = time.perf_counter()
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            failed = [process for process in processes if process.wait() != 0]
            seconds = time.perf_counter() - start
        if failed:
            raise RuntimeError("a writer failed")
    return count * puts / seconds


def writers() -> Outcome:
    """What eight processes write into one store in a second, over what one does."""
    one = max(_written(1, WRITERS * PUTS) for _ in range(2))
    eight = max(_written(WRITERS, PUTS) for _ in range(2))
    return Outcome(eight / one, f"{eight:.0f} puts a second by {WRITERS} processes, {one:.0f} by one")


MEASURES = [
    Count("store file: ms to open 10,000 records", lambda: opening(10_000), 150),
    Count("store file: ms to open 100,000 records", lambda: opening(100_000), 1500),
    Count("store file: µs of get beside SQLite's, 10,000 records", lambda: reading(10_000), 60),
    Count("store file: ms of find over 10,000 records", lambda: finding(10_000), 50),
    Count("store file: ms of put beside SQLite's, 10,000 records", lambda: writing(10_000), 5),
    Count("store file: ms of rotate beside SQLite's, 10,000 records", lambda: writing(10_000, rotating=True), 5),
    Count("store file: ms of put beside SQLite's, 100,000 records", lambda: writing(100_000), 5),
    Count("store file: bytes a record beside its payload", lambda: size_of_a_record(10_000), 400),
    Count("store file: puts by 8 processes over puts by one", writers, 0.5, "at least"),
]
