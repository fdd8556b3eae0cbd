"""Runs every door while calls of the platform fail, one after the other; over the faulty module.

    python -m tests.faults.doors_child MODULE FOLDER

prints a line per failure that fired: door, verb, call, and what the door answered. After each, whatever was answered,
nothing may be left: no secret, window, descriptor or file in memory.
"""

from __future__ import annotations

import errno
import gc
import os
import socket
import sys
import threading
from pathlib import Path

from tests.support.faulty_core import FOREVER, VERBS, end_plan, fired, plan  # isort: skip - takes _core's place first

from securemem import Arena, SecureBytes, doors, statistics
from securemem.exceptions import SecureMemError

FOLDER = Path(sys.argv[2])
VALUE = b"the value of a test"
LARGE = 20_000
ERRORS = {"read": (errno.EIO, errno.EISDIR), "write": (errno.EPIPE,), "wait": (errno.EBADF,), "lock": (errno.EAGAIN,)}


def file_of(data: bytes) -> Path:
    """A file that only we may read."""
    path = FOLDER / "file"
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def from_pipe(size: int) -> SecureBytes:
    """A pipe that a thread writes to."""
    reader, writer = os.pipe()

    def write() -> None:
        try:
            os.write(writer, bytes(range(1, 251)) * (size // 250))
        finally:
            os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    try:
        return doors.read_fd(reader)
    finally:
        os.close(reader)


def receive() -> SecureBytes:
    """A socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(VALUE)
        return doors.receive(ours, len(VALUE))


def environment() -> SecureBytes:
    """A variable."""
    os.environ["FAULTY"] = VALUE.decode()
    return doors.read_env("FAULTY")


def memory_file() -> bytes:
    """A file in memory, read again."""
    with doors.as_file(VALUE) as file:
        return os.pread(file.fileno(), 100, 0)


def handed_over() -> SecureBytes:
    """From one thread to another."""
    ours, theirs = socket.socketpair()

    def give() -> None:
        try:
            doors.hand_over(ours, VALUE, timeout=5)
        except SecureMemError:
            pass
        finally:
            ours.close()

    thread = threading.Thread(target=give)
    thread.start()
    try:
        return doors.take_over(theirs, timeout=5)
    finally:
        theirs.close()
        thread.join()


def written() -> int:
    """Into nothing."""
    file = os.open("/dev/null", os.O_WRONLY)
    try:
        return doors.write_fd(file, VALUE)
    finally:
        os.close(file)


DOORS = {
    "read_file": lambda: doors.read_file(file_of(VALUE + b"\n"), strip_newline=True),
    "read_file, large": lambda: doors.read_file(file_of(bytes(range(1, 251)) * 80)),
    "read_fd, growing": lambda: from_pipe(LARGE),
    "read_json_field": lambda: doors.read_json_field(file_of(b'{"a":["b","' + VALUE + b'"]}'), "/a/1"),
    "receive": receive,
    "read_env": environment,
    "write_fd": written,
    "as_file": memory_file,
    "hand_over": handed_over,
    "decode_hex": lambda: doors.decode_hex(VALUE.hex().encode()),
    "concat": lambda: doors.concat(VALUE, VALUE),
    "split": lambda: doors.split(VALUE, b" "),
    "generate_password": lambda: doors.generate_password(30),
    "generate_passphrase": lambda: doors.generate_passphrase(6, ["one", "two", "three"]),
}


def held() -> tuple[int, int, int, int]:
    """What must be the same before and after."""
    gc.collect()
    now = statistics()
    files = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    maps = Path("/proc/self/maps").read_text(encoding="ascii", errors="replace").count("memfd:secret")
    return now.live_secrets, now.open_windows, len(files), maps


def try_one(name: str, planned: tuple[str, int, int, int]) -> bool:
    """Run a door with a failure planned; False: the call was never made."""
    verb, first, count, error = planned
    before = held()
    plan(verb, first, count, error, after=verb == "close")  # a descriptor is gone, whatever close(2) says
    try:
        result = DOORS[name]()
        answer = "done"
        del result
    except SecureMemError as caught:
        answer = type(caught).__name__
        if VALUE.decode() in str(caught):
            raise AssertionError(name) from None
    came = fired()
    end_plan()
    after = held()
    if came:
        print(name, verb, first, "once" if count == 1 else "forever", answer, sep=" | ")
    # What the kernel will not unmap stays mapped, wiped.
    kept = after[:3] if verb == "unmap" else after
    assert kept == before[: len(kept)], (name, planned, before, after)
    return bool(came)


def main() -> None:
    """Every verb, at every call, in every door."""
    keep = Arena()
    neighbours = [SecureBytes.copy_of(VALUE, arena=keep), SecureBytes.copy_of(VALUE)]
    for name, door in DOORS.items():
        door()
        for verb in VERBS:
            for error in ERRORS.get(verb, (errno.ENOMEM,)):
                for count in (1, FOREVER):
                    first = 1
                    while first < 40 and try_one(name, (verb, first, count, error)):
                        first += 1
    assert all(one == VALUE for one in neighbours)
    print("end")


if __name__ == "__main__":
    main()
