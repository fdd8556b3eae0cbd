"""Files, descriptors and sockets: read into the slot, whole or not at all."""

from __future__ import annotations

import gc
import os
import signal
import socket
import ssl
import stat
import threading
import time
from pathlib import Path

import pytest

from securemem import Arena, SecureBytes, statistics
from securemem.doors import read_fd, read_file, receive, write_fd
from securemem.exceptions import (
    EmptyInputError,
    ExposedFileError,
    InputEndedError,
    InputTooLongError,
    InvalidArgumentError,
    MissingFileError,
    RefusedFileError,
    TransferError,
    TransferTimeoutError,
)
from tests.support import programs
from tests.support.doors import bytes_of

SIZES = [1, 2, 511, 512, 513, 1024, 4095, 4096, 4097, 70_000, 1 << 20]


@pytest.fixture
def secret_file(tmp_path):
    """A file of these bytes that only its owner may read."""

    def make(data):
        path = tmp_path / "secret"
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    return make


def _open_files():
    return {int(path.name) for path in Path("/proc/self/fd").iterdir() if path.exists()}


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """No door leaves a secret, a window or a descriptor."""
    gc.collect()  # what tests before this one left in circles
    files = _open_files()
    before = statistics().live_secrets
    yield
    after = statistics()
    assert (after.live_secrets, after.open_windows) == (before, 0)
    assert _open_files() == files


@pytest.mark.parametrize("size", SIZES)
def test_files_of_every_length(secret_file, size):
    """The bytes of the file, whether its length is known or not."""
    data = os.urandom(size)
    path = secret_file(data)
    assert bytes_of(read_file(path)) == data
    assert bytes_of(read_file(str(path), max_length=max(size, 1))) == data
    with path.open("rb") as file:
        assert bytes_of(read_fd(file)) == data


@pytest.mark.parametrize("size", SIZES)
def test_pipes_of_every_length(size):
    """A pipe tells no length: the slot grows, and the bytes are those that were written, in pieces."""
    data = os.urandom(size)
    reader, writer = os.pipe()

    def write():
        for at in range(0, size, 3000):
            os.write(writer, data[at : at + 3000])
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert bytes_of(read_fd(reader)) == data
    finally:
        thread.join()
        os.close(reader)


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"key\n", b"key"),
        (b"key\r\n", b"key"),
        (b"key\n\n", b"key\n"),
        (b"key", b"key"),
        (b"a\nb", b"a\nb"),
        (b"\r", b"\r"),
    ],
)
def test_one_newline_is_stripped_if_asked(secret_file, data, kept):
    """One line end, and only at the end; without strip_newline it stays."""
    path = secret_file(data)
    assert bytes_of(read_file(path, strip_newline=True)) == kept
    assert bytes_of(read_file(path)) == data


def test_empty_input_is_one_error(secret_file):
    """An empty file, one of a newline alone, an empty pipe, /dev/null."""
    for data, strip in ((b"", False), (b"\n", True), (b"\r\n", True)):
        with pytest.raises(EmptyInputError, match="at least one byte"):
            read_file(secret_file(data), strip_newline=strip)
    reader, writer = os.pipe()
    os.close(writer)
    with pytest.raises(EmptyInputError):
        read_fd(reader)
    os.close(reader)
    with pytest.raises(EmptyInputError):
        read_file("/dev/null")


@pytest.mark.parametrize("size", [10, 600, 5000, 100_000])
def test_too_long_is_an_error(secret_file, size):
    """One byte more than the limit is an error, of a file and of a pipe; exactly the limit is not."""
    path = secret_file(bytes(range(1, 251)) * 400)
    with path.open("r+b") as file:
        file.truncate(size)
    assert len(read_file(path, max_length=size)) == size
    with pytest.raises(InputTooLongError, match=f"more than {size - 1} bytes"):
        read_file(path, max_length=size - 1)
    for limit, is_enough in ((size, True), (size - 1, False)):
        reader, writer = os.pipe()
        thread = threading.Thread(target=lambda writer=writer: _write_all(writer, path.read_bytes()))
        thread.start()
        if is_enough:
            assert len(read_fd(reader, max_length=limit)) == size
        else:
            with pytest.raises(InputTooLongError):
                read_fd(reader, max_length=limit)
        os.close(reader)
        thread.join()


def _write_all(writer, data):
    try:
        while data:
            data = data[os.write(writer, data) :]
    except BrokenPipeError:
        pass  # the reader had enough
    finally:
        os.close(writer)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o620, 0o610])
def test_a_file_that_others_may_reach_is_refused(secret_file, mode):
    """Unless it is allowed; 0600 and 0400 are taken."""
    path = secret_file(b"secret")
    path.chmod(mode)
    with pytest.raises(ExposedFileError, match="chmod 600") as caught:
        read_file(path)
    assert str(path) in caught.value.__notes__[0]
    assert bytes_of(read_file(path, allow_others=True)) == b"secret"
    for good in (0o600, 0o400):
        path.chmod(good)
        assert bytes_of(read_file(path)) == b"secret"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(secret_file):
    """Its owner could change it."""
    path = secret_file(b"secret")
    os.chown(path, 12345, 0)
    with pytest.raises(ExposedFileError, match="another user"):
        read_file(path)
    assert bytes_of(read_file(path, allow_others=True)) == b"secret"


def test_files_that_are_not_there(tmp_path):
    """Missing, a folder, a name with NUL, an empty one."""
    with pytest.raises(MissingFileError, match="check the path") as caught:
        read_file(tmp_path / "missing")
    assert caught.value.filename == tmp_path / "missing"
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(TransferError, match="directory"):
        read_file(tmp_path)
    for path in ("", "a\0b", b"a\0b"):
        with pytest.raises(InvalidArgumentError):
            read_file(path)
    with pytest.raises(TypeError):
        read_file(None)


def test_a_file_that_may_not_be_read():
    """EACCES is a PermissionError that says so."""
    program = """
        import os, tempfile
        from securemem import doors
        from securemem.exceptions import RefusedFileError
        path = tempfile.mktemp()
        with open(path, "w") as file: file.write("x")
        os.chmod(path, 0)
        if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)
        try: doors.read_file(path)
        except RefusedFileError as error: print(error.errno, isinstance(error, PermissionError), error.filename == path)
    """
    assert programs.run(program) == "13 True True\n"
    assert issubclass(RefusedFileError, PermissionError)


def test_a_fifo_without_a_writer(tmp_path):
    """It is an error at once, that says what to do; with a writer it is read to its end."""
    path = tmp_path / "fifo"
    os.mkfifo(path, 0o600)
    with pytest.raises(EmptyInputError, match="start the writer first"):
        read_file(path)
    writer = os.open(path, os.O_RDWR)
    os.write(writer, b"through")
    done = []
    thread = threading.Thread(target=lambda: done.append(bytes_of(read_file(path))))
    thread.start()
    while not done and thread.is_alive():
        time.sleep(0.05)
        os.close(writer) if writer >= 0 else None
        writer = -1
    thread.join()
    assert done == [b"through"]


@pytest.mark.parametrize("door", ["read", "write", "receive"])
def test_a_closed_descriptor(door):
    """EBADF is a TransferError, and a closed object has no descriptor."""
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(TransferError, match="descriptor is closed"):
        read_fd(reader) if door != "write" else write_fd(writer, b"x")
    closed = socket.socket()
    closed.close()
    with pytest.raises(InvalidArgumentError, match="not an open file"):
        receive(closed, 1) if door == "receive" else read_fd(closed)


def test_what_is_no_descriptor():
    """Names, floats and bools are refused."""
    for file in ("name", 1.5, True, None):
        with pytest.raises(TypeError):
            read_fd(file)
    with pytest.raises(InvalidArgumentError):
        read_fd(-1)


def test_the_descriptor_of_the_other_direction():
    """The reading end cannot be written to, nor the other way round."""
    reader, writer = os.pipe()
    with pytest.raises(TransferError, match="direction"):
        write_fd(reader, b"x")
    with pytest.raises(TransferError, match="direction"):
        read_fd(writer)
    os.close(reader)
    with pytest.raises(TransferError, match="reader has closed"):
        write_fd(writer, b"x")
    os.close(writer)


def test_timeouts():
    """Nothing in time is a TimeoutError; what had come is wiped."""
    reader, writer = os.pipe()
    os.write(writer, b"part")
    began = time.monotonic()
    with pytest.raises(TransferTimeoutError) as caught:
        read_fd(reader, timeout=0.05)
    assert 0.04 < time.monotonic() - began < 5
    assert isinstance(caught.value, TimeoutError)
    os.close(reader)
    os.close(writer)
    for timeout in (-1, 2**40):
        with pytest.raises(InvalidArgumentError):
            read_fd(0, timeout=timeout)


def test_receive_takes_exactly_so_many():
    """In pieces, and what is behind stays in the socket."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        data = os.urandom(10_000)
        theirs.sendall(data[:7])
        thread = threading.Thread(target=lambda: theirs.sendall(data[7:]))
        thread.start()
        assert bytes_of(receive(ours, 9_990)) == data[:9_990]
        thread.join()
        assert ours.recv(100) == data[9_990:]


def test_receive_that_ends_early():
    """End of file before all had come is an EOFError, and a timeout is the socket's own."""
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(b"part")
        ours.settimeout(0.05)
        with pytest.raises(TransferTimeoutError):
            receive(ours, 5)
        theirs.sendall(b"part")
        theirs.close()
        with pytest.raises(InputEndedError) as caught:
            receive(ours, 5)
        assert isinstance(caught.value, EOFError)


def test_receive_refuses_tls():
    """Its bytes are not in the descriptor."""
    ours, theirs = socket.socketpair()
    context = ssl.create_default_context()
    wrapped = context.wrap_socket(ours, do_handshake_on_connect=False, server_hostname="localhost")
    with theirs, wrapped, pytest.raises(TypeError, match="recv_into"):
        receive(wrapped, 5)


@pytest.mark.parametrize("size", [1, 5000, 300_000])
def test_write_fd_writes_all(size):
    """Through a pipe that is smaller, and through one that does not block."""
    for blocking in (True, False):
        secret = SecureBytes.random(size)
        reader, writer = os.pipe()
        os.set_blocking(writer, blocking)
        heard = []

        def read(reader=reader, heard=heard):
            while data := os.read(reader, 65536):
                heard.append(data)

        thread = threading.Thread(target=read)
        thread.start()
        assert write_fd(writer, secret) == size
        os.close(writer)
        thread.join()
        os.close(reader)
        assert b"".join(heard) == bytes_of(secret)
        secret.wipe()


class Raised(Exception):  # noqa: N818 - a program's own
    """What a handler raises."""


@pytest.mark.parametrize("door", ["read", "receive", "write"])
def test_a_handler_that_raises_ends_it(door):
    """A signal while it waits: its handler runs; what it raises comes out, and all is wiped and let go."""
    ours, theirs = socket.socketpair()
    secret = SecureBytes.random(4 << 20)
    doors = {
        "read": lambda: read_fd(ours),
        "receive": lambda: receive(ours, 100),
        "write": lambda: write_fd(ours, secret),
    }

    def handler(*_):
        raise Raised

    old = signal.signal(signal.SIGALRM, handler)
    theirs.sendall(b"some")
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Raised):
            doors[door]()
    finally:
        signal.signal(signal.SIGALRM, old)
    with ours, theirs:
        ours.setblocking(False)
        if door != "write":
            with pytest.raises(BlockingIOError):
                ours.recv(1)  # it had been read, and is gone
    secret.wipe()


def test_a_handler_that_returns_lets_it_go_on():
    """A signal whose handler does not raise is no reason to end."""
    ours, theirs = socket.socketpair()
    ran = []

    def handler(number, _):
        ran.append(number)
        if len(ran) == 3:
            theirs.sendall(b"at last")
            theirs.close()

    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        with ours:
            assert bytes_of(read_fd(ours)) == b"at last"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert len(ran) >= 3


def test_the_arena_is_the_one_named(secret_file):
    """What is read lies there, and in one slot."""
    arena = Arena()
    path = secret_file(os.urandom(5000))
    first, second = read_file(path, arena=arena), read_file(path, strip_newline=True, arena=arena)
    assert arena.statistics().live_secrets == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first.wipe()
    second.wipe()
