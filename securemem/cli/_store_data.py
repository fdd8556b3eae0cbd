"""`securemem store encrypt, decrypt, sign, verify, run`: what keys and secrets are used for."""

from __future__ import annotations

import fcntl
import io
import json
import mmap
import os
import signal
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from securemem import doors
from securemem.cli._output import complain, flush, write
from securemem.cli._store_access import opened
from securemem.exceptions import InvalidArgumentError, VerificationError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from securemem.keystore.handle import KeyHandle
    from securemem.secure_bytes import SecureBytes

_FIRST = 3  # the first descriptor after the standard ones
_CANNOT_START, _NOT_EXECUTABLE, _NOT_FOUND = 125, 126, 127


@contextmanager
def _progress(source: str) -> Iterator[Callable[[int], None] | None]:
    """A bar at a terminal, where tqdm is installed; nothing else."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    try:
        from tqdm import tqdm  # noqa: PLC0415 - an extra, and only for terminals
    except ImportError:
        yield None
        return
    total = None if source == "-" else Path(source).stat().st_size
    with tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024, leave=False, file=sys.stderr) as bar:
        yield lambda done: _move(bar, done)


def _move(bar: Any, done: int) -> None:
    bar.update(done - bar.n)


def _convert(arguments: argparse.Namespace, way: str) -> int:
    source, target, context = arguments.source, arguments.target, arguments.context.encode()
    if target == "-" and way == "encrypt" and sys.stdout is not None and os.isatty(1):
        raise InvalidArgumentError("standard output is a terminal: name a file, or use a pipe")
    with opened(arguments) as store, _progress(source) as progress:
        key: KeyHandle = store[arguments.name]
        if source != "-" and target != "-":
            getattr(key, f"{way}_file")(source, target, context, progress)
            return 0
        flush()
        with (
            io.FileIO(0 if source == "-" else source, "rb", closefd=source != "-") as reading,
            io.FileIO(1 if target == "-" else target, "wb", closefd=target != "-", opener=_private) as writing,
        ):
            getattr(key, f"{way}_stream")(reading, writing, context, progress)
    return 0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def encrypt(arguments: argparse.Namespace) -> int:
    """Encrypt a file or stream."""
    return _convert(arguments, "encrypt")


def decrypt(arguments: argparse.Namespace) -> int:
    """Decrypt one."""
    return _convert(arguments, "decrypt")


@contextmanager
def _content(path: str) -> Iterator[bytes | mmap.mmap]:
    if path == "-":
        yield sys.stdin.buffer.read()
        return
    with open(path, "rb") as file:  # noqa: PTH123 - its descriptor is mapped
        if os.fstat(file.fileno()).st_size == 0:
            yield file.read()
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped


def sign(arguments: argparse.Namespace) -> int:
    """Print the signature, or the code of an HMAC key."""
    with opened(arguments) as store, _content(arguments.source) as data:
        key = store[arguments.name]
        signature = (key.mac(data) if key.algorithm.startswith("HMAC") else key.sign(data)).hex()
    write(json.dumps({"schema": 1, "signature": signature}) if arguments.json else signature)
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Check it; 1 where it does not fit."""
    try:
        signature = bytes.fromhex(Path(arguments.signature).read_text("ascii").strip())
    except ValueError:
        raise InvalidArgumentError(f"{arguments.signature} has no signature in hex, as `sign` prints it") from None
    with opened(arguments) as store, _content(arguments.source) as data:
        key = store[arguments.name]
        try:
            (key.verify_mac if key.algorithm.startswith("HMAC") else key.verify)(data, signature)
        except VerificationError as error:
            complain(f"securemem store: {error}")
            return 1
    return 0


# Running a command


def _pairs(options: list[str], what: str) -> dict[str, str]:
    found = {name: value for name, _, value in (one.partition("=") for one in options)}
    if not all(found) or not all(found.values()) or len(found) != len(options):
        raise InvalidArgumentError(f"{what} takes two words with = between them, the first of each once")
    return found


def _number(text: str) -> int:
    if not text.isdecimal() or not _FIRST <= (number := int(text)) < os.sysconf("SC_OPEN_MAX"):
        raise InvalidArgumentError(f"--fd {text}=: descriptors for a command are numbers from {_FIRST} on")
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        return number
    raise InvalidArgumentError(f"--fd {text}=: descriptor {number} is open already")


def _nothing(_number: int, _frame: object) -> None:
    """Let the command decide what an interruption means: it gets the signal too."""


def run(arguments: argparse.Namespace) -> int:
    """Run it; its exit status."""
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        arguments.wrong_usage("name a command, after --")
    files, numbers = _pairs(arguments.file, "--file"), _pairs(arguments.fd, "--fd")
    with opened(arguments) as store:
        wanted = {*files.values(), *numbers.values(), *filter(None, [arguments.stdin])}
        secrets = {name: store.get(name) for name in wanted}
    flush()
    signal.signal(signal.SIGINT, _nothing)
    try:
        return _run(command, secrets, files, {_number(text): name for text, name in numbers.items()}, arguments.stdin)
    except (FileNotFoundError, PermissionError) as error:
        complain(f"securemem store: {command[0]}: {error.strerror}")
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
    finally:
        for secret in secrets.values():
            secret.wipe()


@contextmanager
def _taken(numbers: Iterable[int]) -> Iterator[None]:
    """Descriptors of these numbers, so that nothing else gets them."""
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    taken = {null}
    try:
        for number in numbers:
            taken.add(number)
            if number != null:
                os.dup2(null, number, inheritable=False)
        yield
    finally:
        for number in taken:
            os.close(number)


def _run(
    command: list[str],
    secrets: dict[str, SecureBytes],
    files: dict[str, str],
    numbers: dict[int, str],
    stdin: str | None,
) -> int:
    with _taken(numbers), ExitStack() as held:
        for number, name in numbers.items():
            os.dup2(held.enter_context(doors.as_file(secrets[name])).fileno(), number, inheritable=False)
        status = doors.run(
            command,
            stdin=None if stdin is None else secrets[stdin],
            secret_files={variable: secrets[name] for variable, name in files.items()},
            pass_fds=tuple(numbers),
        ).returncode
    return status if status >= 0 else 128 - status
