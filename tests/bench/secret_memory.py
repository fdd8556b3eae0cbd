"""The time of secrets in memfd_secret memory, once its pages are there, against the same in mlock'ed memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from securemem import Arena, SecureBytes
from securemem.exceptions import BackendUnavailableError
from tests.bench.measures import Loop, Measure, NotMeasuredError, Ratio, statement

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (32, 64 * 1024)
CODES = {
    "create+write+release": "SecureBytes.copy_of(source, arena=arena)",
    "window": "with kept.reveal(): pass",
}


@contextmanager
def over_mlock(code: str, at_rest: Literal["noaccess", "readwrite"], size: int) -> Iterator[tuple[Loop, Loop]]:
    """The same code on an arena of each backend."""
    source = b"\xa5" * size
    with Arena(at_rest=at_rest, backend="memfd_secret") as secret, Arena(at_rest=at_rest) as locked:
        try:
            kept = [SecureBytes.copy_of(source, arena=arena) for arena in (secret, locked)]
        except BackendUnavailableError as error:
            raise NotMeasuredError(str(error)) from error
        ours, baseline = (
            statement(code, SecureBytes=SecureBytes, source=source, arena=arena, kept=one)
            for arena, one in zip((secret, locked), kept, strict=True)
        )
        yield ours, baseline


MEASURES: list[Measure] = [
    Ratio(
        f"memfd_secret {what} {size:,} B, {at_rest} / mlock",
        lambda code=code, at_rest=at_rest, size=size: over_mlock(code, at_rest, size),
        1.1,
    )
    for what, code in CODES.items()
    for at_rest in ("noaccess", "readwrite")
    for size in SIZES
]
