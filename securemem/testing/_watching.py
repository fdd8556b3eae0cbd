"""The process behind a Watcher: it knows secrets, and searches other processes for them.

It speaks over its standard streams. In: "learn N" and N bytes; "make N"; "scan PID"; each a line. Out: N random bytes
after "make", else a line: "ok" with what was asked for, or "wrong", "gone" or "refused" with the reason.
"""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from securemem.exceptions import ScanRefusedError
from securemem.testing._needles import needles_of
from securemem.testing._scan import scan

if TYPE_CHECKING:
    from securemem.scanning import Needle

__all__ = ["main"]

_IN, _OUT = 0, 1


def _read(size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := os.read(_IN, size - len(data))):
        data += piece
    return data


def _line() -> str:
    line = b""
    while not line.endswith(b"\n"):
        if not (piece := os.read(_IN, 1)):
            return ""
        line += piece
    return line.decode()


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(_OUT, data) :]


def _scanned(pid: int, needles: tuple[Needle, ...]) -> str:
    try:
        return f"ok {scan(pid, needles).as_json()}"
    except ScanRefusedError as error:
        return f"refused {error.errno or 0} {error.strerror}"
    except ProcessLookupError as error:
        return f"gone {error.strerror or error}"
    except ValueError as error:
        return f"wrong {error}"


def main() -> None:
    """Serve until the other end is closed."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    needles: tuple[Needle, ...] = ()
    while line := _line():
        verb, _, number = line.partition(" ")
        size = int(number)
        if verb == "scan":
            _write(_scanned(size, needles).encode() + b"\n")
            continue
        secret = _read(size) if verb == "learn" else os.urandom(size)
        try:
            needles = needles_of(secret)
            answer = b"ok\n"
        except ValueError as error:
            needles, answer = (), f"wrong {error}\n".encode()
        _write(answer if verb == "learn" else secret)
