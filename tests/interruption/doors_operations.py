"""The doors and adapters, as the interruption driver runs them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import socket
import termios
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from securemem import SecureBytes, SecureMemError, doors
from securemem.adapters.hmac import hmac_new
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.interruption import Attempt

VALUE = b"forty characters of a secret for a test!"


def _leftovers() -> int:
    """Files in memory that this process has open or mapped."""
    opened = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    maps = Path("/proc/self/maps").read_text(encoding="ascii", errors="replace")
    return sum("memfd:secret" in str(one) for one in opened) + maps.count("memfd:secret")


def _nothing_in_memory(attempt: Attempt) -> str | None:
    if attempt.error is None:
        return None
    return "a file in memory is left" if _leftovers() else None


def _from_file(name: str, use: Callable[[Path], object], data: bytes, *, least: int = 10) -> Operation:
    """A door that reads a file."""

    def make(folder: Path) -> Case:
        path = folder / "secret"
        path.write_bytes(data)
        path.chmod(0o600)
        return Case(lambda: use(path), folder=folder, files=frozenset({"secret"}))

    # Where memory is refused, os.fspath() says of a path that it is none.
    return Operation(name, make, least=least, refusals=(TypeError,))


def _on_a_secret(name: str, use: Callable[[SecureBytes], object], *, least: int = 5) -> Operation:
    """A use of a secret, which must be whole afterwards."""

    def make(_folder: Path) -> Case:
        secret = SecureBytes.copy_of(VALUE)

        def check(attempt: Attempt) -> str | None:
            return _nothing_in_memory(attempt) if secret == VALUE else "the secret changed"

        return Case(lambda: use(secret), [secret], check=check)

    return Operation(name, make, least=least)


def _env(_folder: Path) -> Case:
    os.environ["SECUREMEM_INTERRUPTED"] = VALUE.decode()

    def check(attempt: Attempt) -> str | None:
        there = os.environ.get("SECUREMEM_INTERRUPTED") == VALUE.decode()
        return "it returned, and the variable is there" if attempt.error is None and there else None

    return Case(lambda: doors.read_env("SECUREMEM_INTERRUPTED"), check=check)


def _from_a_pipe(
    name: str, use: Callable[[socket.socket], object], right: Callable[[Attempt], bool], *, least: int = 5
) -> Operation:
    """A door that reads what another one wrote into a socket, and closed."""

    def make(_folder: Path) -> Case:
        ours, theirs = socket.socketpair()
        theirs.sendall(VALUE)
        theirs.close()

        def check(attempt: Attempt) -> str | None:
            ours.close()
            return None if attempt.error is not None or right(attempt) else "the secret is another one"

        return Case(lambda: use(ours), check=check)

    return Operation(name, make, least=least)


def _write_fd(_folder: Path) -> Case:
    secret = SecureBytes.copy_of(VALUE)
    ours, theirs = os.pipe()

    def check(attempt: Attempt) -> str | None:
        os.close(theirs)
        with os.fdopen(ours, "rb") as reader:
            came = reader.read()
        if secret != VALUE:
            return "the secret changed"
        return None if came == VALUE or (attempt.error is not None and VALUE.startswith(came)) else "another one came"

    return Case(lambda: doors.write_fd(theirs, secret), [secret], check=check)


def _with_a_peer(
    use: Callable[[socket.socket], object], peer: Callable[[socket.socket], object], lost: list[Exception]
) -> Case:
    """An operation on one end of a socket, and a thread that does the other side's part, or tells what stopped it."""
    ours, theirs = socket.socketpair()

    def work() -> None:
        try:
            with theirs:
                peer(theirs)
        except (SecureMemError, OSError, MemoryError) as error:  # memory is refused to all threads
            lost.append(error)

    other = threading.Thread(target=work)
    other.start()

    def after(_attempt: Attempt) -> None:
        ours.close()
        other.join()

    return Case(lambda: use(ours), after=after)


def _hand_over(_folder: Path) -> Case:
    secret = SecureBytes.copy_of(VALUE)
    came: list[bool] = []
    lost: list[Exception] = []

    def peer(end: socket.socket) -> None:
        with doors.take_over(end) as taken:
            came.append(taken == VALUE)

    def check(attempt: Attempt) -> str | None:
        if attempt.error is None and not came and not lost:
            return "it returned, and the other side has nothing"
        return _nothing_in_memory(attempt) if secret == VALUE and False not in came else "the secret changed"

    case = _with_a_peer(lambda end: doors.hand_over(end, secret), peer, lost)
    case.secrets, case.check = [secret], check
    return case


def _take_over(_folder: Path) -> Case:
    secret = SecureBytes.copy_of(VALUE)

    def check(attempt: Attempt) -> str | None:
        if attempt.error is None and attempt.result != VALUE:
            return "another secret came"
        return _nothing_in_memory(attempt)

    case = _with_a_peer(doors.take_over, lambda end: doors.hand_over(end, secret), [])
    case.secrets, case.check = [secret], check
    return case


def _as_file_with(secret: SecureBytes) -> int:
    with doors.as_file(secret) as file:
        return file.fileno()


class _Keyboard:
    """A pseudo-terminal in the place of standard input, for a process that has no other terminal."""

    def __init__(self) -> None:
        with contextlib.suppress(PermissionError):  # a leader of a group, started by a shell
            os.setsid()
        with contextlib.suppress(OSError), open("/dev/tty", "rb") as own:  # noqa: PTH123 - a device
            fcntl.ioctl(own, termios.TIOCNOTTY)
        self._master, slave = pty.openpty()
        os.dup2(slave, 0)
        os.close(slave)
        os.dup2(os.open("/dev/null", os.O_WRONLY), 2)  # where the prompt is shown
        os.set_blocking(self._master, False)

    def type(self, text: bytes) -> list[Any]:
        """Type, after all that was typed before is dropped; how the terminal is set."""
        termios.tcflush(0, termios.TCIFLUSH)
        with contextlib.suppress(BlockingIOError):
            os.read(self._master, 65536)
        os.write(self._master, text)
        return termios.tcgetattr(0)


_keyboards: list[_Keyboard] = []


def _prompt(_folder: Path) -> Case:
    if not _keyboards:
        _keyboards.append(_Keyboard())
    former = _keyboards[0].type(VALUE + b"\n")

    def check(attempt: Attempt) -> str | None:
        if termios.tcgetattr(0) != former:
            return "the terminal is not set as it was"
        return None if attempt.error is not None or attempt.result == VALUE else "another secret was typed"

    return Case(lambda: doors.prompt("? "), check=check)


OPERATIONS = [
    _from_file("doors.read_file", doors.read_file, VALUE),
    _from_file("doors.read_json_field", lambda path: doors.read_json_field(path, "/a"), b'{"a":"' + VALUE + b'"}'),
    _from_file("doors.read_credential", lambda path: doors.read_credential("secret", directory=path.parent), VALUE),
    Operation("doors.read_env", _env, least=10),
    _from_a_pipe("doors.read_fd", lambda end: doors.read_fd(end.fileno()), lambda attempt: attempt.result == VALUE),
    _from_a_pipe("doors.receive", lambda end: doors.receive(end, len(VALUE)), lambda attempt: attempt.result == VALUE),
    Operation("doors.write_fd", _write_fd, least=5),
    Operation("doors.hand_over", _hand_over, least=5),
    Operation("doors.take_over", _take_over, least=5),
    Operation("doors.prompt", _prompt, least=5),
    _on_a_secret("doors.encode_hex", doors.encode_hex),
    _on_a_secret("doors.encode_base64", doors.encode_base64),
    _on_a_secret("doors.decode_hex", lambda secret: doors.decode_hex(doors.encode_hex(secret))),
    _on_a_secret("doors.decode_base64", lambda secret: doors.decode_base64(doors.encode_base64(secret))),
    _on_a_secret("doors.split", lambda secret: doors.split(secret, b" ")),
    _on_a_secret("doors.strip", doors.strip),
    _on_a_secret("doors.concat", lambda secret: doors.concat(secret, b":", secret)),
    _on_a_secret("doors.as_file", lambda secret: doors.as_file(secret).close()),
    _on_a_secret("doors.run", lambda secret: doors.run(["true"], stdin=secret, secret_files={"X": secret}), least=100),
    _on_a_secret("doors.as_file with", _as_file_with, least=0),
    _on_a_secret("doors.with_str", lambda secret: doors.with_str(secret, len)),
    _on_a_secret("doors.with_bytes", lambda secret: doors.with_bytes(secret, len)),
    _on_a_secret("adapters.hmac.hmac_new", lambda secret: hmac_new(secret, b"x", "sha256").digest(), least=500),
    Operation("doors.generate_password", lambda _folder: Case(doors.generate_password), least=20),
    Operation(
        "doors.generate_passphrase", lambda _folder: Case(lambda: doors.generate_passphrase(4, ["a", "b"])), least=50
    ),
]
