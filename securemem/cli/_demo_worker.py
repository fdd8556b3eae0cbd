"""The process that `securemem demo` attacks: it takes secrets as programs do, uses them, and lets them go.

It is one of two kinds. "plain" does it as everyday Python does, "protected" does the same with securemem. It speaks to
its parent over its standard streams. Out: the key, raw and straight from where it lies, then a line of JSON at each
moment at which it stands still; what fails goes to standard error. In: a byte, when it may go on. All other secrets are
the parent's: it types one, and gives the others by an environment variable and by files.
"""

from __future__ import annotations

import fcntl
import gc
import hashlib
import json
import os
import re
import socket
import sys
import termios
from contextlib import ExitStack, closing
from typing import NamedTuple

from securemem.cli._controls import round_trip_plain, round_trip_protected
from securemem.exceptions import SecureMemError
from securemem.secure_bytes import SecureBytes, scrub

KEY_BYTES = 32
TEXT_BYTES = 32  # of each of the parent's secrets, which are ASCII
VARIABLE = "SECUREMEM_DEMO_TOKEN"
PROMPT = "Password: "
_IN, _OUT = 0, 1
_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ", b"\r\n\r\n"


class Given(NamedTuple):
    """Open descriptors that the parent gave: all files, but for the terminal, which may be missing (None)."""

    file: int
    terminal: int | None
    credential: int
    document: int
    header: int


def _stand_still(**told: object) -> None:
    os.write(_OUT, json.dumps(told).encode() + b"\n")
    os.read(_IN, 1)


def _plain(given: Given) -> None:
    """Everyday Python, as its tutorials have it."""
    from getpass import getpass  # noqa: PLC0415 - the other kind has none of these
    from http.client import HTTPConnection  # noqa: PLC0415 - the same

    key = os.urandom(KEY_BYTES)
    os.write(_OUT, key)
    compared = round_trip_plain(given.file, key)
    password = "" if given.terminal is None else getpass(PROMPT)
    token = os.environ[VARIABLE]
    digests = [hashlib.sha256(text.encode()).digest() for text in (password, token)]
    with open(given.document, encoding="utf-8") as document:  # noqa: PTH123 - a descriptor has no path
        entry = json.load(document)["password"]
    with open(given.header, encoding="utf-8") as file:  # noqa: PTH123 - the same
        headers = {"Authorization": f"Bearer {file.read()}"}
    here, there = socket.socketpair()
    with closing(HTTPConnection("localhost")) as connection, there:
        connection.sock = here
        connection.request("GET", "/", headers=headers)
    _stand_still(compared=compared)
    del key, password, token, entry, headers, connection, digests
    del os.environ[VARIABLE]
    gc.collect()
    _stand_still()


def _read(descriptor: int, size: int) -> SecureBytes:
    """A file of up to so many bytes, straight into locked memory."""
    with SecureBytes.zeros(size) as buffer:
        with buffer.reveal(writable=True) as view:
            length = os.readv(descriptor, [view])
        return buffer[:length]


def _typed() -> SecureBytes:
    """A line typed at the terminal, not echoed, without its end."""
    terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    before = termios.tcgetattr(terminal)
    quiet = [*before]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, quiet)
    try:
        os.write(terminal, PROMPT.encode())
        with _read(terminal, TEXT_BYTES + 1) as line:
            return line[:-1]
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        os.close(terminal)


def _field(document: SecureBytes, name: str) -> SecureBytes:
    """A text without escapes in a JSON document, found without a copy of it."""
    with document, document.reveal() as view:
        found = re.search(rb'"%s": "([^"\\]*)"' % name.encode(), view)
        if found is None:
            raise ValueError(f"the document has no {name}")
        start, end = found.span(1)
        del found  # it holds the view
        return document[start:end]


def _protected(given: Given) -> None:
    """The work of `_plain`, each secret in a SecureBytes from its first byte on."""
    key = SecureBytes.random(KEY_BYTES)
    os.write(_OUT, key)
    compared = round_trip_protected(given.file, key)
    held = [key]
    if given.terminal is not None:
        held.append(_typed())
    held.append(_read(given.credential, TEXT_BYTES))
    for secret in held[1:]:
        hashlib.sha256(secret).digest()
    held.append(_field(_read(given.document, 2 * TEXT_BYTES), "password"))
    header = _read(given.header, TEXT_BYTES)
    held.append(header)
    here, there = socket.socketpair()
    with here, there:
        here.sendmsg([_REQUEST[0], header, _REQUEST[1]])
    scrub()
    with ExitStack() as windows:  # the control: what the scanner must find
        for secret in held:
            windows.enter_context(secret.reveal())
        _stand_still()
    _stand_still(compared=compared, protection=key.protection.as_dict())
    for secret in held:
        secret.wipe()
    _stand_still()


def main(kind: str, descriptors: str) -> int:
    """Be the worker of one kind, "plain" or "protected", on descriptors as JSON; its exit status."""
    given = Given(*json.loads(descriptors))
    try:
        if given.terminal is not None:  # prompts go to the controlling terminal
            fcntl.ioctl(given.terminal, termios.TIOCSCTTY, 0)
        (_protected if kind == "protected" else _plain)(given)
    except (SecureMemError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
