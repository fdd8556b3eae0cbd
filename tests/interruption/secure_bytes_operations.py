"""The operations of SecureBytes and arenas, as the interruption driver runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import securemem
from securemem import Arena, SecureBytes
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.interruption import Attempt

    Kinds = tuple[type[BaseException], ...]


CONTENT = b"sixteen and more"


def _on_a_secret(
    name: str, use: Callable[[SecureBytes, SecureBytes], object], *, least: int = 0, recovers: Kinds = ()
) -> Operation:
    """A use of a secret and of another one that is equal; both must be as they were, or wiped."""

    def make(_folder: Path) -> Case:
        secret = SecureBytes.random(32)
        twin = SecureBytes.copy_of(secret)

        def check(_attempt: Attempt) -> str | None:
            return None if secret.wiped or secret == twin else "the secret changed"

        return Case(lambda: use(secret, twin), [secret, twin], check=check, watched=twin)

    return Operation(name, make, recovers=recovers, least=least, watched=True)


def _reveal(secret: SecureBytes, _twin: SecureBytes) -> bytes:
    with secret.reveal() as view:
        return bytes(view[:4])


def _write(secret: SecureBytes, twin: SecureBytes) -> None:
    with secret.reveal(writable=True) as view, twin.reveal() as other:
        view[:] = other


def _within(secret: SecureBytes, _twin: SecureBytes) -> int:
    with secret as one:
        return len(one)


def _wipe(_folder: Path) -> Case:
    secret = SecureBytes.copy_of(CONTENT)

    def check(attempt: Attempt) -> str | None:
        if secret.wiped:
            return None
        if attempt.error is None:
            return "wipe() returned and the secret is there"
        return None if secret == CONTENT else "neither wiped nor whole"

    return Case(secret.wipe, [secret], check=check)


def _take(_folder: Path) -> Case:
    source = bytearray(CONTENT)

    def check(attempt: Attempt) -> str | None:
        if attempt.error is None:
            same = isinstance(attempt.result, SecureBytes) and attempt.result == CONTENT
            return None if same and not any(source) else "take() lost bytes, or left them"
        return None if source == CONTENT or not any(source) else "take() wiped a part of its source"

    return Case(lambda: SecureBytes.take(source), check=check)


def _arena_life(_folder: Path) -> Case:
    def life() -> None:
        with Arena(at_rest="readwrite", max_bytes=1 << 16) as arena:
            SecureBytes.random(32, arena=arena).wipe()

    return Case(life)


def _arena_close(_folder: Path) -> Case:
    arena = Arena()
    secret = SecureBytes.random(32, arena=arena)

    def check(attempt: Attempt) -> str | None:
        return "close() returned and a secret lives" if attempt.error is None and not secret.wiped else None

    return Case(arena.close, [secret], check=check)


def _plain(name: str, use: Callable[[], object], *, least: int = 0) -> Operation:
    return Operation(name, lambda _folder: Case(use), least=least)


OPERATIONS = [
    _plain("SecureBytes.zeros", lambda: SecureBytes.zeros(32)),
    _plain("SecureBytes.random", lambda: SecureBytes.random(32)),
    _plain("SecureBytes.copy_of", lambda: SecureBytes.copy_of(CONTENT)),
    Operation("SecureBytes.take", _take, least=0),
    _on_a_secret("SecureBytes slice", lambda secret, _: secret[4:8]),
    _on_a_secret("SecureBytes ==", lambda secret, twin: secret == twin),
    _on_a_secret("SecureBytes.reveal", _reveal),
    _on_a_secret("SecureBytes.reveal writable", _write),
    _on_a_secret("SecureBytes with", _within),
    _on_a_secret("SecureBytes.freeze", lambda secret, _: secret.freeze()),
    _on_a_secret("SecureBytes.protection", lambda secret, _: secret.protection, least=20, recovers=(MemoryError,)),
    Operation("SecureBytes.wipe", _wipe, least=0),
    Operation("Arena with", _arena_life, least=20),
    Operation("Arena.close", _arena_close),
    _plain("Arena.statistics", lambda: securemem.statistics(), least=5),
    _plain("Arena.fits", lambda: securemem.fits(32), least=5),
]
