"""What is timed side by side for the benchmarks page: tasks, and for each who can do it.

A contender is made by a context manager that gives its loop; one that cannot be run here raises NotMeasuredError.
"""

from __future__ import annotations

import hmac
import importlib
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from securemem import Arena, SecureBytes
from securemem.crypto.aead import AlgorithmName, Key
from tests.bench import peers
from tests.bench.measures import Loop, NotMeasuredError, statement

KEY = bytes(range(32))
PAGE = mmap.PAGESIZE
Maker = Callable[[], AbstractContextManager[Loop]]
AtRest = Literal["noaccess", "readwrite"]


@dataclass(frozen=True, slots=True)
class Contender:
    """Who does it; ours: whether it is securemem."""

    name: str
    make: Maker
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What is done, in words for the page, and by whom. key: the name of its picture.

    repetitions: of each timing; None finds them. most_rounds: where one takes long.
    """

    key: str
    title: str
    note: str
    contenders: tuple[Contender, ...]
    repetitions: int | None = None
    most_rounds: int | None = None


def package(name: str) -> Any:
    """An optional peer from the package index."""
    try:
        return importlib.import_module(name)
    except ImportError as missing:
        raise NotMeasuredError(f"the package {name.partition('.')[0]} is not installed") from missing


@contextmanager
def _code(code: str, **names: object) -> Iterator[Loop]:
    yield statement(code, **names)


@contextmanager
def _ours(code: str, at_rest: AtRest) -> Iterator[Loop]:
    with Arena(at_rest=at_rest) as arena:
        secret, other = SecureBytes.copy_of(KEY, arena=arena), SecureBytes.copy_of(KEY, arena=arena)
        yield statement(code, SecureBytes=SecureBytes, arena=arena, KEY=KEY, secret=secret, other=other)


@contextmanager
def _library(peer: Callable[[], Any], code: str) -> Iterator[Loop]:
    yield statement(code, library=peer(), KEY=KEY)


@contextmanager
def _mapping() -> Iterator[Loop]:
    """A page of its own, locked, written, overwritten, unlocked: what mmap and mlock give by themselves."""
    module = peers.locks()
    code = (
        f"page = mmap(-1, {PAGE}); address = from_buffer(page); mlock(address, {PAGE}); page[:32] = KEY; "
        f"page[:32] = blank; munlock(address, {PAGE}); del address; page.close()"
    )
    names = {"mmap": mmap.mmap, "mlock": module.lib.mlock, "munlock": module.lib.munlock}
    yield statement(code, from_buffer=module.ffi.from_buffer, KEY=KEY, blank=bytes(32), **names)


@contextmanager
def _zeroize() -> Iterator[Loop]:
    module = package("zeroize")
    code = "buffer = bytearray(KEY); mlock(buffer); zeroize1(buffer); munlock(buffer); del buffer"
    yield statement(code, KEY=KEY, mlock=module.mlock, munlock=module.munlock, zeroize1=module.zeroize1)


@contextmanager
def _cell(code: str) -> Iterator[Loop]:
    cell = package("cypher_cell").CypherCell
    yield statement(code, CypherCell=cell, cell=cell(bytearray(KEY)), KEY=KEY)


def _both(name: str, code: str) -> tuple[Contender, ...]:
    def made(at_rest: AtRest) -> Maker:
        return lambda: _ours(code, at_rest)

    return (
        Contender(f"{name}, no access at rest", made("noaccess"), ours=True),
        Contender(f'{name}, at_rest="readwrite"', made("readwrite"), ours=True),
    )


HOLD = Task(
    "hold",
    "Take 32 bytes into protected memory, and release them wiped",
    "bytearray is neither locked nor kept out of dumps. zeroize and cypher-cell unlock pages that other secrets share.",
    (
        *_both("securemem", "SecureBytes.copy_of(KEY, arena=arena)"),
        Contender("bytearray, overwritten", lambda: _code("b = bytearray(KEY); b[:] = z; del b", KEY=KEY, z=bytes(32))),
        Contender("mmap and mlock, a page each", _mapping),
        Contender("libsodium, one C call", lambda: _library(peers.sodium, "library.create_write_release(KEY, 32)")),
        Contender("OpenSSL's secure heap, not written", lambda: _library(peers.openssl, "library.create_release(32)")),
        Contender("zeroize (PyPI)", _zeroize),
        Contender("cypher-cell (PyPI)", lambda: _cell("CypherCell(bytearray(KEY))")),
    ),
)

COMPARE = Task(
    "compare",
    "Compare 32 bytes in constant time",
    "Without access at rest, a comparison opens a window on each page.",
    (
        *_both("securemem, secret == secret", "secret == other"),
        Contender(
            "hmac.compare_digest", lambda: _code("f(a, b)", f=hmac.compare_digest, a=KEY, b=bytes(bytearray(KEY)))
        ),
        Contender("cypher-cell (PyPI), verify", lambda: _cell("cell.verify(KEY)")),
    ),
)


@contextmanager
def _key(size: int, algorithm: AlgorithmName, at_rest: AtRest) -> Iterator[Loop]:
    with Arena(at_rest=at_rest) as arena:
        key = Key(SecureBytes.copy_of(KEY, arena=arena), algorithm)
        yield statement("key.encrypt(data)", key=key, data=bytes(size))


@contextmanager
def _box(size: int) -> Iterator[Loop]:
    box = package("nacl.secret").SecretBox(KEY)
    yield statement("box.encrypt(data)", box=box, data=bytes(size))


def _encryption(size: int, words: str) -> Task:
    per_message = "n = urandom(12); AESGCM(KEY).encrypt(n, data, None)"
    names = {"urandom": os.urandom, "AESGCM": AESGCM, "KEY": KEY, "data": bytes(size)}
    kept = {"urandom": os.urandom, "cipher": AESGCM(KEY), "data": bytes(size)}
    return Task(
        f"encrypt-{size}",
        f"Encrypt {words}, with a random nonce",
        "The others leave the key, or its schedule, in ordinary memory. A kept cipher keeps it there for its life. "
        "securemem gives nonce and ciphertext in one piece; cryptography's nonce stays apart, which saves a copy.",
        (
            Contender("securemem, AES-256-GCM, no access", lambda: _key(size, "AES-256-GCM", "noaccess"), ours=True),
            Contender("securemem, AES-256-GCM, readwrite", lambda: _key(size, "AES-256-GCM", "readwrite"), ours=True),
            Contender("securemem, KC-XAES-256-GCM, no access", lambda: _key(size, "KC-XAES-256-GCM", "noaccess"), True),
            Contender("cryptography, AESGCM per message", lambda: _code(per_message, **names)),
            Contender(
                "cryptography, AESGCM kept", lambda: _code("n = urandom(12); cipher.encrypt(n, data, None)", **kept)
            ),
            Contender("PyNaCl, SecretBox kept", lambda: _box(size)),
        ),
    )


@contextmanager
def _imports(module: str) -> Iterator[Loop]:
    def loop(repetitions: int) -> float:
        begin = time.perf_counter()
        for _ in range(repetitions):
            subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
        return (time.perf_counter() - begin) / repetitions

    if module != "sys":
        package(module)
    yield loop


IMPORT = Task(
    "import",
    "Start Python and import",
    "These are whole processes, from start to end.",
    (
        Contender("Python alone", lambda: _imports("sys")),
        Contender("securemem", lambda: _imports("securemem"), ours=True),
        Contender("securemem.keystore", lambda: _imports("securemem.keystore"), ours=True),
        Contender("cryptography's AEADs", lambda: _imports("cryptography.hazmat.primitives.ciphers.aead")),
        Contender("PyNaCl", lambda: _imports("nacl.secret")),
    ),
)

TASKS = (
    HOLD,
    COMPARE,
    _encryption(16, "16 bytes"),
    _encryption(64, "64 bytes"),
    _encryption(1 << 10, "1 KiB"),
    _encryption(64 << 10, "64 KiB"),
    _encryption(1 << 20, "1 MiB"),
    _encryption(64 << 20, "64 MiB"),
    IMPORT,
)

# What the page names as not run, with the reason.
NOT_RUN = {
    "keyring": "it asks the desktop's service, and holds nothing itself",
    "memguard, secrets, hardened_malloc": "libraries for Go, Rust and C programs, without a Python interface",
}
