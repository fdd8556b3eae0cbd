"""Secrets as files in memory, other programs that read them, and other processes that take them over."""

from __future__ import annotations

import fcntl
import gc
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from securemem import Arena, SecureBytes, statistics
from securemem._memory_map import mappings
from securemem.doors import as_file, hand_over, run, take_over
from securemem.exceptions import (
    EmptyInputError,
    InputEndedError,
    InputError,
    InputTooLongError,
    InvalidArgumentError,
    TransferTimeoutError,
    WipedError,
)
from tests.support import programs
from tests.support.doors import bytes_of


def memory_files():
    """The files in memory that this process has open or mapped."""
    opened = [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum("memfd:secret" in name for name in opened) + sum("memfd:secret" in one.name for one in mappings("self"))


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """No file in memory outlives a test."""
    assert memory_files() == 0
    yield
    gc.collect()
    assert memory_files() == 0
    assert statistics().open_windows == 0


@pytest.mark.parametrize("size", [1, 31, 4096, 4097, 100_000])
def test_a_path_that_holds_the_secret(size):
    """open() reads it, whatever its length; its pages are locked; afterwards it is gone."""
    secret = SecureBytes.random(size)
    with as_file(secret) as file:
        assert Path(file).read_bytes() == bytes_of(secret)
        assert os.fspath(file) == f"/proc/self/fd/{file.fileno()}"
        (mapping,) = [one for one in mappings("self") if "memfd:secret" in one.name]
        assert mapping.locked
        assert {"dd", "dc"} <= set(mapping.flags)
        assert memory_files() == 2
    assert memory_files() == 0
    for use in (file.fileno, lambda: os.fspath(file), file.__enter__):
        with pytest.raises(WipedError):
            use()
    file.close()  # again


def test_nobody_writes_to_it():
    """Opened for writing it refuses writes, and its length and its seals are for good; only its owner may read it."""
    secret = SecureBytes.random(100)
    with as_file(secret) as file:
        number = file.fileno()
        assert os.fstat(number).st_mode & 0o777 == 0o400
        assert fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        for refused in (
            lambda: os.pwrite(number, b"x", 0),
            lambda: os.ftruncate(number, 1),
            lambda: os.ftruncate(number, 1000),
            lambda: mmap.mmap(number, 100, prot=mmap.PROT_READ | mmap.PROT_WRITE),
            lambda: fcntl.fcntl(number, 1033, 1),  # F_ADD_SEALS
        ):
            with pytest.raises(PermissionError):
                refused()
        assert Path(file).read_bytes() == bytes_of(secret)


def test_those_who_have_it_open_see_it_wiped():
    """Another descriptor of it reads zeros once it is closed."""
    secret = SecureBytes.random(50)
    file = as_file(secret)
    other = os.dup(file.fileno())
    assert os.pread(other, 100, 0) == bytes_of(secret)
    file.close()
    assert os.pread(other, 100, 0) == bytes(50)
    os.close(other)


def test_dropped_it_is_wiped():
    """Without a with statement too."""
    file = as_file(b"secret")
    other = os.dup(file.fileno())
    del file
    assert os.pread(other, 100, 0) == bytes(6)
    os.close(other)


def test_a_forked_child_cannot_wipe_the_parents():
    """Closing there closes only; the mapping is not in the child."""
    secret = SecureBytes.random(50)
    with as_file(secret) as file:
        child = os.fork()
        if child == 0:
            file.close()
            os._exit(sum("memfd:secret" in one.name for one in mappings("self")))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert Path(file).read_bytes() == bytes_of(secret)


def test_what_is_no_secret():
    """Empty, text, wiped."""
    with pytest.raises(EmptyInputError):
        as_file(b"")
    with pytest.raises(TypeError, match="encode"):
        as_file("text")
    secret = SecureBytes.random(3)
    secret.wipe()
    with pytest.raises(WipedError):
        as_file(secret)


def test_the_limit_is_told():
    """A file that cannot be locked is refused with the limit, and nothing of it is left."""
    program = """
        import os, resource
        from securemem.doors import as_file
        from securemem.exceptions import LockLimitError
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
        if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)
        before = len(os.listdir("/proc/self/fd"))
        try: as_file(bytes(200_000))
        except LockLimitError as error: print(error.limit)
        print(len(os.listdir("/proc/self/fd")) - before)
    """
    assert programs.run(program) == "65536\n0\n"


ECHO = "import os, sys; sys.stdout.write(sys.stdin.read() + open(os.environ['SECRET_FILE']).read())"


def test_run_gives_secrets_to_a_program():
    """By standard input and by a path in a variable; never in its arguments or the text of its environment."""
    first, second = SecureBytes.copy_of(b"first secret "), SecureBytes.copy_of(b"second secret")
    done = run(
        [sys.executable, "-c", ECHO], stdin=first, secret_files={"SECRET_FILE": second}, capture_output=True, text=True
    )
    assert done.stdout == "first secret second secret"
    look = "import pathlib; [print(pathlib.Path(f'/proc/self/{n}').read_bytes()) for n in ('environ', 'cmdline')]"
    done = run([sys.executable, "-c", look], secret_files={"SECRET_FILE": second}, capture_output=True, text=True)
    assert "SECRET_FILE=/proc/self/fd/" in done.stdout
    assert "second" not in done.stdout


def test_run_is_subprocess_run_otherwise():
    """Status, check, timeout, cwd, env, pass_fds."""
    secret = SecureBytes.copy_of(b"secret")
    assert run(["sh", "-c", "exit 3"]).returncode == 3
    with pytest.raises(subprocess.CalledProcessError):
        run(["false"], stdin=secret, check=True)
    with pytest.raises(subprocess.TimeoutExpired):
        run(["sleep", "20"], stdin=secret, timeout=0.1)
    with pytest.raises(FileNotFoundError):
        run(["/no/such/program"], secret_files={"X": secret})
    reader, writer = os.pipe()
    os.write(writer, b"passed")
    os.close(writer)
    shell = f"head -c 6 /proc/self/fd/{reader}; printf %s $MORE; cat $X; env | grep -c HOME"
    done = run(["sh", "-c", shell], pass_fds=[reader], env={"MORE": "-", "PATH": os.environ["PATH"]},
               secret_files={"X": secret}, capture_output=True)  # fmt: skip
    os.close(reader)
    assert done.stdout == b"passed-secret0\n"


def test_a_secret_is_no_argument():
    """Other users see arguments."""
    with pytest.raises(InvalidArgumentError, match="secret_files"):
        run(["psql", SecureBytes.copy_of(b"secret")])


def test_only_the_named_child_has_the_file():
    """Another program that is started meanwhile has no such descriptor."""
    with as_file(b"secret") as file:
        look = f"import os; print(os.path.exists('/proc/self/fd/{file.fileno()}'))"
        for options, there in (({}, "False\n"), ({"pass_fds": [file.fileno()]}, "True\n")):
            done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, **options)
            assert done.stdout == there


@pytest.mark.parametrize("size", [1, 32, 5000, 300_000])
def test_handed_over(size):
    """The receiver has an equal secret in its arena, and the sender's file is gone."""
    secret, arena = SecureBytes.random(size), Arena()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=hand_over, args=(ours, secret))
        thread.start()
        taken = take_over(theirs, arena=arena)
        thread.join()
    assert taken == secret
    assert arena.statistics().live_secrets == 1


def test_the_sender_waits_for_the_answer():
    """Until it comes the file is there; a receiver that goes away, or is late, ends it."""
    secret = SecureBytes.random(32)
    ours, theirs = socket.socketpair()
    with ours:
        with pytest.raises(TransferTimeoutError):
            hand_over(ours, secret, timeout=0.05)
        thread = threading.Timer(0.1, theirs.close)
        thread.start()
        with pytest.raises((InputEndedError, ConnectionError, OSError)):
            hand_over(ours, secret)
        thread.join()


def test_what_is_not_handed_over():
    """Text, the end, a descriptor of something else, a file that is not sealed, a secret that is too long."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"x")
        with pytest.raises(InputError, match="hand_over"):
            take_over(theirs)
        reader, writer = os.pipe()
        unsealed = os.memfd_create("x")
        os.write(unsealed, b"not sealed")
        for other in (reader, unsealed):
            socket.send_fds(ours, [b"S"], [other])
            with pytest.raises(InputError, match="hand_over"):
                take_over(theirs)
        for file in (reader, writer, unsealed):
            os.close(file)
        with as_file(bytes(100)) as file:
            socket.send_fds(ours, [b"S"], [file.fileno()])
            with pytest.raises(InputTooLongError):
                take_over(theirs, max_length=99)
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(InputError):
            take_over(theirs)


def test_other_connections_are_refused():
    """Pipes and TCP sockets pass no descriptors; a late sender is a timeout."""
    reader, writer = os.pipe()
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    with listener, client:
        for connection in (writer, client):
            with pytest.raises(InvalidArgumentError, match="socketpair"):
                hand_over(connection, b"secret", timeout=1)
        with pytest.raises(TransferTimeoutError):
            take_over(client, timeout=0.05)
    os.close(reader)
    os.close(writer)


def test_a_handler_that_raises_ends_the_wait():
    """And the file is wiped."""
    ours, theirs = socket.socketpair()

    def handler(*_):
        raise ZeroDivisionError

    old = signal.signal(signal.SIGALRM, handler)
    try:
        for work in (lambda: hand_over(ours, b"secret"), lambda: take_over(ours)):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(ZeroDivisionError):
                work()
    finally:
        signal.signal(signal.SIGALRM, old)
        ours.close()
        theirs.close()


WORKERS = """
import multiprocessing, sys
from multiprocessing.reduction import ForkingPickler
from securemem import SecureBytes, doors, statistics
from securemem.exceptions import SecureMemError

def work(secret, other):
    return sum(secret.reveal().__enter__()) + other

def put(secret, results):
    results.put(work(secret, 1))

if __name__ == "__main__":
    secret = SecureBytes.copy_of(bytes(range(50)))
    method = multiprocessing.get_context(sys.argv[1])
    results = method.SimpleQueue()
    try: ForkingPickler.dumps(secret)
    except TypeError: print("refused")
    doors.allow_multiprocessing()
    process = method.Process(target=put, args=(secret, results))
    process.start()
    print(results.get())
    process.join()
    with method.Pool(2) as pool:
        print(pool.starmap(work, [(secret, at) for at in range(4)]))
    print(len(secret), statistics().live_secrets)
    import pickle
    try: pickle.dumps(secret)
    except TypeError: print("refused")
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing(method, tmp_path):
    """Arguments of a Process and of a pool arrive; before the opt-in, and by pickle itself, they are refused."""
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    command = [sys.executable, str(script), method]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=programs.environment())
    assert done.returncode == 0, done.stderr
    total = sum(range(50))
    assert done.stdout.splitlines() == [
        "refused", str(total + 1), str([total + at for at in range(4)]), "50 1", "refused",
    ]  # fmt: skip
