"""For the benchmarks page: windows, many secrets alive, and threads."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from securemem import Arena, SecureBytes
from securemem.crypto.aead import Key
from tests.bench import peers
from tests.bench.contenders import KEY, AtRest, Contender, Task
from tests.bench.crypto import threaded
from tests.bench.measures import Loop, NotMeasuredError, statement

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _revealed(at_rest: AtRest) -> Iterator[Loop]:
    with Arena(at_rest=at_rest) as arena:
        code = "with secret.reveal(True) as view: view[:] = KEY"
        yield statement(code, secret=SecureBytes.copy_of(KEY, arena=arena), KEY=KEY)


@contextmanager
def _sodium_window() -> Iterator[Loop]:
    library: Any = peers.sodium()
    kept = library.sodium_malloc(32)
    library.sodium_mprotect_noaccess(kept)
    yield statement("library.open_write_shut(kept, KEY, 32)", library=library, kept=kept, KEY=KEY)
    library.sodium_free(kept)


@contextmanager
def _bare_window() -> Iterator[Loop]:
    yield statement("both(1)", both=peers.windows().protections)


WINDOW = Task(
    "window",
    "Write 32 bytes to a secret that is there",
    "The bare mprotects write nothing. libsodium's three steps are one C call here; securemem's window is a with "
    "statement.",
    (
        Contender("securemem, no access at rest", lambda: _revealed("noaccess"), ours=True),
        Contender('securemem, at_rest="readwrite"', lambda: _revealed("readwrite"), ours=True),
        Contender("two bare mprotects, one C call", _bare_window),
        Contender("libsodium, one C call", _sodium_window),
    ),
)


@contextmanager
def _beside(alive: int, at_rest: AtRest) -> Iterator[Loop]:
    with Arena(at_rest=at_rest) as arena:
        if os.geteuid() != 0 and arena.fits(32) < alive:
            raise NotMeasuredError(f"{alive:,} secrets need root or a higher RLIMIT_MEMLOCK")
        kept = [SecureBytes.copy_of(KEY, arena=arena) for _ in range(alive)]
        yield statement("copy_of(KEY, arena=arena)", copy_of=SecureBytes.copy_of, arena=arena, KEY=KEY)
        kept.clear()


def _growing(at_rest: AtRest, words: str) -> tuple[Contender, ...]:
    def beside(alive: int) -> Contender:
        return Contender(f"securemem, {words}, beside {alive:,}", lambda: _beside(alive, at_rest), ours=True)

    return tuple(beside(alive) for alive in (0, 1_000, 100_000, 1_000_000))


GROWTH = Task(
    "growth",
    "Take 32 bytes and release them, with many secrets alive",
    "Each is at work in its own arena.",
    (*_growing("readwrite", "readwrite"), *_growing("noaccess", "no access")),
)

LONG = bytes(64 << 10)


@contextmanager
def _ours_in(threads: int) -> Iterator[Loop]:
    with Arena(at_rest="readwrite") as arena:
        key = Key(SecureBytes.copy_of(KEY, arena=arena), "AES-256-GCM")
        yield threaded(lambda: key.encrypt(LONG), threads)


@contextmanager
def _theirs_in(threads: int) -> Iterator[Loop]:
    def encrypt() -> bytes:
        nonce = os.urandom(12)
        return nonce + AESGCM(KEY).encrypt(nonce, LONG, None)

    yield threaded(encrypt, threads)


def _in_threads(threads: int) -> tuple[Contender, ...]:
    words = "1 thread" if threads == 1 else f"{threads} threads"
    return (
        Contender(f"securemem, {words}", lambda: _ours_in(threads), ours=True),
        Contender(f"cryptography per message, {words}", lambda: _theirs_in(threads)),
    )


THREADS = Task(
    "threads",
    "Encrypt 64 KiB with AES-256-GCM, by several threads",
    "The time of one message, while so many threads share the work. The machine's processors are named above.",
    tuple(contender for threads in (1, 2, 4, 8) for contender in _in_threads(threads)),
    repetitions=800,
)

TASKS = (WINDOW, GROWTH, THREADS)
