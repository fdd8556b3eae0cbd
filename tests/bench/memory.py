"""The time of making, opening, comparing and dropping secrets, against what people use today."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from securemem import Arena, SecureBytes
from tests.bench import peers
from tests.bench.measures import Loop, Measure, Ratio, statement

KEY = bytes(range(32))
LARGE = 64 * 1024
CREATE = "SecureBytes.zeros(size, arena=arena)"
CREATE_AND_WRITE = "SecureBytes.copy_of(source, arena=arena)"

Pair = Iterator[tuple[Loop, Loop]]


def _ours(code: str, arena: Arena, source: bytes = KEY, **names: object) -> Loop:
    return statement(code, SecureBytes=SecureBytes, arena=arena, source=source, size=len(source), **names)


@contextmanager
def create_over_bytearray(size: int = 32) -> Pair:
    """A secret of zeros, against zeros in a bytearray that is overwritten."""
    with Arena(at_rest="readwrite") as arena:
        blank = bytes(size)
        wiped = "buffer = bytearray(size); buffer[:] = blank; del buffer"
        yield _ours(CREATE, arena, blank), statement(wiped, size=size, blank=blank)


@contextmanager
def create_and_write_over_bytearray(size: int = 32) -> Pair:
    """A secret copied from a source, and so wiped when dropped, against a bytearray copied from it and overwritten."""
    with Arena(at_rest="readwrite") as arena:
        source, blank = b"\xa5" * size, bytes(size)
        wiped = "buffer = bytearray(source); buffer[:] = blank; del buffer"
        yield _ours(CREATE_AND_WRITE, arena, source), statement(wiped, source=source, blank=blank)


@contextmanager
def create_over(peer: Callable[[], Any]) -> Pair:
    """Against taking and giving back 32 bytes of a peer's memory, both in one C call."""
    library = peer()
    with Arena(at_rest="readwrite") as arena:
        yield _ours(CREATE, arena), statement("create_release(32)", create_release=library.create_release)


@contextmanager
def create_over_openssl_calls() -> Pair:
    """Against OpenSSL with a C call for each, as a Python program that keeps the piece makes them."""
    heap = peers.openssl()
    with Arena(at_rest="readwrite") as arena:
        yield (
            _ours(CREATE, arena),
            statement(
                'free(malloc(32, b"", 0), 32, b"", 0)',
                malloc=heap.CRYPTO_secure_malloc,
                free=heap.CRYPTO_secure_clear_free,
            ),
        )


@contextmanager
def closed_over_sodium(alive: int = 0) -> Pair:
    """A closed page opened for one write, against libsodium's five steps, in one C call, with none alive."""
    library = peers.sodium()
    with Arena() as arena:
        kept = [SecureBytes.copy_of(KEY, arena=arena) for _ in range(alive)]
        yield (
            _ours(CREATE_AND_WRITE, arena),
            statement("work(source, 32)", work=library.create_write_release, source=KEY),
        )
        del kept


@contextmanager
def window_in_c() -> Pair:
    """The core's open and close in a C loop, against mprotect there and back in one."""
    library = peers.windows()
    yield library.windows, library.protections


@contextmanager
def _revealed(baseline: Loop) -> Pair:
    with Arena() as arena:
        yield statement("with secret.reveal(): pass", secret=SecureBytes.copy_of(KEY, arena=arena)), baseline


def window_by_reveal() -> AbstractContextManager[tuple[Loop, Loop]]:
    """`with reveal()`, against mprotect there and back in a C loop.

    No call from Python comes near it where the kernel clears branch predictors at each system call: an empty Python
    call around both mprotects then costs half as much as they do.
    """
    return _revealed(peers.windows().protections)


def window_by_reveal_over_call() -> AbstractContextManager[tuple[Loop, Loop]]:
    """`with reveal()`, against one cffi call that makes both mprotects."""
    return _revealed(statement("both(1)", both=peers.windows().protections))


def window_by_reveal_over_calls() -> AbstractContextManager[tuple[Loop, Loop]]:
    """`with reveal()`, against mprotect there and back, each called from Python: like against like."""
    library = peers.windows()
    calls = "mprotect(page, 4096, 1); mprotect(page, 4096, 0)"
    return _revealed(statement(calls, mprotect=library.mprotect, page=library.closed_page()))


@contextmanager
def equal_over_compare_digest(*, with_bytes: bool = False) -> Pair:
    """Two equal secrets, or a secret and equal bytes, against compare_digest of equal bytes."""
    with Arena(at_rest="readwrite") as arena:
        secret = SecureBytes.copy_of(KEY, arena=arena)
        mine = bytes(bytearray(KEY))
        other = mine if with_bytes else SecureBytes.copy_of(KEY, arena=arena)
        compare = statement("compare_digest(mine, other)", compare_digest=hmac.compare_digest, mine=mine, other=KEY)
        yield statement("secret == other", secret=secret, other=other), compare


MEASURES: list[Measure] = [
    Ratio("create+release 32 B, open / bytearray(32) overwritten", create_over_bytearray, 1.0),
    Ratio("create+write+release 32 B, open / bytearray(source) overwritten", create_and_write_over_bytearray, None),
    Ratio(
        "create+release 32 B, open: faster than OpenSSL's secure heap",
        lambda: create_over(peers.openssl),
        5.0,
        "at least",
    ),
    Ratio("create+release 32 B, open: faster than OpenSSL by two C calls", create_over_openssl_calls, None, "at least"),
    Ratio("create+release 32 B, open: faster than libsodium", lambda: create_over(peers.sodium), 100.0, "at least"),
    Ratio("create+write+release 32 B, closed: faster than libsodium", closed_over_sodium, 8.0, "at least"),
    Ratio(
        "create+write+release 32 B, closed, 20,000 alive: faster than libsodium",
        lambda: closed_over_sodium(20_000),
        5.8,
        "at least",
    ),
    Ratio("window open+close in C / two bare mprotects", window_in_c, 1.2),
    Ratio("window by `with reveal()` / two bare mprotects called by cffi", window_by_reveal_over_calls, 1.4),
    Ratio("window by `with reveal()` / both mprotects in one cffi call", window_by_reveal_over_call, None),
    Ratio("window by `with reveal()` / two bare mprotects in C", window_by_reveal, None),
    Ratio("== of two secrets of 32 B, open / hmac.compare_digest", equal_over_compare_digest, 1.0),
    Ratio(
        "== of a secret and bytes, 32 B, open / hmac.compare_digest",
        lambda: equal_over_compare_digest(with_bytes=True),
        1.0,
    ),
    Ratio("create+release 64 KiB, open / bytearray overwritten", lambda: create_over_bytearray(LARGE), 1.5),
    Ratio(
        "create+write+release 64 KiB, open / bytearray(source) overwritten",
        lambda: create_and_write_over_bytearray(LARGE),
        None,
    ),
]
