"""For the benchmarks page: the key store in a file, and whole files encrypted."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from securemem import KeyStore
from tests.bench import store_file
from tests.bench.contenders import Contender, Task
from tests.bench.measures import Loop, NotMeasuredError, statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORDS = 2_000
FILE_MIB = 256


@contextmanager
def _stored() -> Iterator[Loop]:
    there = store_file.filled(RECORDS)
    with there.open() as store:
        yield statement("get('name 000000')", get=store.get)


@contextmanager
def _in_memory() -> Iterator[Loop]:
    store = KeyStore()
    store.put("name", bytearray(32))
    yield statement("get('name')", get=store.get)


@contextmanager
def _selected() -> Iterator[Loop]:
    there = store_file.filled(RECORDS)
    code = "execute('SELECT sealed FROM records WHERE id = ?', (b'name 000000',)).fetchone()"
    yield statement(code, execute=there.bare.execute)


GET = Task(
    "get",
    f"Read a secret from a store with {RECORDS:,}",
    "SQLite alone reads a row and neither decrypts nor checks it.",
    (
        Contender("securemem, a store in a file", _stored, ours=True),
        Contender("securemem, a store in memory", _in_memory, ours=True),
        Contender("SQLite alone, one row", _selected),
    ),
)


@contextmanager
def _put() -> Iterator[Loop]:
    with store_file.filled(RECORDS).open() as store:
        yield statement("put('a new one', bytearray(32))", put=store.put)
        store.delete("a new one")


@contextmanager
def _inserted() -> Iterator[Loop]:
    bare = store_file.filled(RECORDS).bare
    code = "with bare: bare.execute('INSERT OR REPLACE INTO records VALUES (?, ?)', (b'new', sealed))"
    yield statement(code, bare=bare, sealed=bytes(300))


PUT = Task(
    "put",
    "Write a secret to a store in a file",
    "Both wait for the disk. SQLite alone runs with the same settings.",
    (Contender("securemem, put()", _put, ours=True), Contender("SQLite alone, one row", _inserted)),
    most_rounds=9,
)


@contextmanager
def _folder() -> Iterator[Path]:
    """In memory where there is room, since the disk is not what is measured; with a file of random bytes."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    if place is not None and shutil.disk_usage(place).free < 4 * FILE_MIB << 20:
        place = None
    with tempfile.TemporaryDirectory(prefix="securemem-bench-", dir=place) as name:
        folder = Path(name)
        with (folder / "plain").open("wb") as file:
            for _ in range(FILE_MIB):
                file.write(os.urandom(1 << 20))
        yield folder


def _timed(work: Callable[[], object]) -> Loop:
    def loop(repetitions: int) -> float:
        begin = time.perf_counter()
        for _ in range(repetitions):
            work()
        return (time.perf_counter() - begin) / repetitions

    return loop


@contextmanager
def _file() -> Iterator[Loop]:
    with _folder() as folder:
        key = KeyStore().generate("key")
        yield _timed(lambda: key.encrypt_file(folder / "plain", folder / "boxed"))


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotMeasuredError(f"{name} is not installed (Debian: {name.partition('-')[0]})")
    return found


@contextmanager
def _age() -> Iterator[Loop]:
    program, maker = _program("age"), _program("age-keygen")
    with _folder() as folder:
        subprocess.run([maker, "-o", folder / "key"], check=True, capture_output=True)
        command = [program, "-e", "-i", folder / "key", "-o", folder / "boxed", folder / "plain"]
        yield _timed(lambda: subprocess.run(command, check=True))


@contextmanager
def _openssl() -> Iterator[Loop]:
    program = _program("openssl")
    with _folder() as folder:
        names = ["-in", folder / "plain", "-out", folder / "boxed"]
        command = [program, "enc", "-aes-256-ctr", "-K", bytes(32).hex(), "-iv", bytes(16).hex(), *names]
        yield _timed(lambda: subprocess.run(command, check=True))


FILES = Task(
    "file",
    f"Encrypt a file of {FILE_MIB} MiB",
    "The files are in memory. age and openssl are whole processes. openssl's output is not authenticated; its key and "
    "age's are on the command line or in a file.",
    (
        Contender("securemem, encrypt_file()", _file, ours=True),
        Contender("age, to a public key", _age),
        Contender("openssl enc -aes-256-ctr", _openssl),
    ),
    most_rounds=5,
)

TASKS = (GET, PUT, FILES)
