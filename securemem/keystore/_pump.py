"""Bytes from a source to a target, chunk by chunk: reading, writing, and the contracts of both, which are checked.

Nothing of the key store is known here: what is done with a chunk is given.
"""

from __future__ import annotations

from io import RawIOBase
from typing import Protocol

from securemem._binding.operations import operate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from securemem._types import Scope

    Transform = Callable[[memoryview, memoryview, bool], None]

__all__ = ["Source", "Target", "check", "pump", "read_full", "write_all"]


class Source(Protocol):
    """What is read from: readinto() as of raw binary files, which may give less than asked for and 0 at the end."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill the buffer from its begin; the bytes that came."""
        ...


class Target(Protocol):
    """What is written to: write() as of binary files; it must not keep the buffer."""

    def write(self, data: Any, /) -> int | None:
        """Write the data; how many bytes of it were taken."""
        ...


def check(source: object, target: object) -> None:
    """TypeError unless the one can be read from and the other written to."""
    if not hasattr(source, "readinto") or not hasattr(target, "write"):
        raise TypeError("a stream is read by readinto() and written by write(), as binary files have them")


def pump(
    scope: Scope,
    source: Source,
    target: Target,
    data: memoryview,
    out: memoryview,
    transform: Transform,
    growth: int,
    progress: Callable[[int], None] | None,
) -> int | None:
    """Read, transform and write chunk by chunk; the bytes written, or None where the last chunk cannot be one.

    data: room for a chunk and one byte of the next, which tells that there is one. transform: called with a chunk, the
    place for the result, and whether it is the last. growth: how many bytes a chunk becomes longer.
    """
    size, written = len(data) - 1, len(out)
    readinto, write = source.readinto, target.write
    chunk, rest = scope.part(data, 0, size), scope.part(data, 1, size + 1)
    filled, done = read_full(source, data), 0
    while filled > size:
        transform(chunk, out, False)
        if (count := write(out)) != written:
            _write_rest(target, out, count)
        done += written
        if progress is not None:
            progress(done)
        scope.check()
        data[0] = data[size]
        count = readinto(rest)
        filled = 1 + (size if count == size else _read_rest(source, rest, count))
    left = filled + growth
    if left < 0 or (left == 0 and done > 0):  # only an empty stream has an empty chunk
        return None
    last, result = scope.part(data, 0, filled), scope.part(out, 0, left)
    transform(last, result, True)
    write_all(target, result)
    done += left
    if progress is not None:
        progress(done)
    return done


def read_full(source: Source, view: memoryview) -> int:
    """Read until the view is full or the source ends; the bytes read."""
    return _read_rest(source, view, source.readinto(view))


def _checked(count: int | None, most: int, call: str) -> int:
    """A count as it may be; OSError otherwise, as Python's buffered files raise it."""
    if count is None:
        raise BlockingIOError(f"{call} has nothing to do now: give a source or target that blocks")
    if not isinstance(count, int):
        raise TypeError(f"{call} must give the count of bytes, not a {type(count).__name__}")
    if not 0 <= count <= most:
        raise OSError(f"{call} gave an invalid count: {count}, which must be from 0 to {most}")
    return count


def _read_rest(source: Source, view: memoryview, first: int | None) -> int:
    """Go on after a read; raw files may give less than all."""
    done = count = _checked(first, len(view), "readinto()")
    while count and done < len(view):
        count = _checked(operate(0, _read_part, source, view, done), len(view) - done, "readinto()")
        done += count
    return done


def _read_part(scope: Scope, source: Source, view: memoryview, start: int) -> int | None:
    return source.readinto(scope.part(view, start, len(view)))


def write_all(target: Target, data: bytes | memoryview) -> None:
    """Write all of it."""
    if len(data):
        _write_rest(target, data, target.write(data))


def _write_rest(target: Target, data: bytes | memoryview, first: int | None) -> None:
    """Go on after a write: raw files may take less than all, and writers that are none need not count."""
    if first is None and not isinstance(target, RawIOBase):
        return
    done = count = _checked(first, len(data), "write()")
    while done < len(data):
        if count == 0:
            raise BlockingIOError("write() takes nothing now: give a target that blocks")
        count = _checked(operate(0, _write_part, target, data, done), len(data) - done, "write()")
        done += count


def _write_part(scope: Scope, target: Target, data: bytes | memoryview, start: int) -> int | None:
    return target.write(scope.part(scope.read(data, "data"), start, len(data)))
