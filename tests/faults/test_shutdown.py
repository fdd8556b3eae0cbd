"""Endings: whatever ends the interpreter, no crash, the status that Python documents, and zeroed memory."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.programs import run, start

PRELUDE = """
import ctypes, gc, os, signal, sys, threading, time, weakref
import securemem
from securemem import Arena, SecureBytes, purge, statistics
from tests.support.estate import read
"""
# After the interpreter's end the process waits in exit(), to be searched from outside.
PAUSE_AT_EXIT = """
libc = ctypes.CDLL(None)
libc.__getattr__("__cxa_atexit")(libc.pause, None, None)
"""


def program(body: str, **options) -> str:
    """Run a program with the usual imports."""
    return run(PRELUDE + body, **options)


def copies(pid: int, needle: bytes) -> int:
    """How often a process has these bytes in its memory, read from outside."""
    found = 0
    maps = Path(f"/proc/{pid}/maps").read_text()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps.splitlines():
            bounds, permissions = line.split()[:2]
            start_, end = (int(bound, 16) for bound in bounds.split("-"))
            if line.endswith(("[vvar]", "[vvar_vclock]", "[vsyscall]")) or (permissions[1] == "-" and "/" in line):
                continue  # the kernel's own, and files' read-only pages
            try:
                memory.seek(start_)
                found += memory.read(end - start_).count(needle)
            except (OSError, ValueError):  # address space that holds nothing
                continue
    return found


def wait_for_pause(process) -> None:
    """Until the program's main thread waits in pause(2), or in ppoll(2) on machines that have no pause."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        number = Path(f"/proc/{process.pid}/syscall").read_text().split()[0]
        if number == ("34" if os.uname().machine == "x86_64" else "73"):
            return
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"the program did not come to its exit handler: {process.communicate()}")


ENDINGS = {
    "falls off the end": "",
    "sys.exit": "sys.exit(0)",
    "view open": "view = memoryview(secret)",
    "writable view open": "view = memoryview(secret); box = secret.reveal(writable=True); box.__enter__()",
    "daemon thread in reveal": """
ready = threading.Event()
def hold():
    with secret.reveal() as view:
        ready.set()
        time.sleep(100)
threading.Thread(target=hold, daemon=True).start()
ready.wait()
""",
    "uncollected cycle": "cycle = [secret]; cycle.append(cycle); gc.disable(); del secret, cycle",
    "reference leaked": "ctypes.pythonapi.Py_IncRef(ctypes.py_object(secret)); view = memoryview(secret)",
    "exception holding frames": """
def fail(view):
    raise ValueError
try:
    fail(memoryview(secret))
except ValueError as caught:
    error = caught
""",
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("size", [32, 70_000])
def test_exit_wipes(ending, size):
    """After the interpreter's end no copy of a secret is left in the process; a plain copy beside it is found."""
    reading, writing = os.pipe()
    process = start(
        PRELUDE
        + PAUSE_AT_EXIT
        + f"""
secret = SecureBytes.random({size})
control = SecureBytes.random(32)
os.write({writing}, secret)
os.write({writing}, control)
libc.malloc.restype = ctypes.c_void_p
plain = libc.malloc(32)
# By the kernel, so that the Python heap has no copy.
a, b = os.pipe()
os.write(b, control)
libc.read(a, ctypes.c_void_p(plain), 32)
"""
        + ENDINGS[ending],
        pass_fds=[writing],
    )
    os.close(writing)
    try:
        said = b""
        while len(said) < size + 32 and (chunk := os.read(reading, 1 << 17)):
            said += chunk
        wait_for_pause(process)
        secret, control = said[:size], said[size:]
        assert copies(process.pid, control) == 1  # the plain one
        assert copies(process.pid, secret[:16]) == 0
        assert copies(process.pid, secret[-16:]) == 0
    finally:
        process.kill()
        process.communicate()
        os.close(reading)


@pytest.mark.parametrize(
    "view", ["None", "memoryview(secret)", "memoryview(secret[:]), secret.reveal(True).__enter__()"]
)
def test_the_outside_search_finds_a_live_secret(view):
    """The control: while it is held, its page closed, open for reading or for writing, the search finds the secret."""
    process = start(
        PRELUDE + f"secret = SecureBytes.random(32)\nview = {view}\nos.write(1, secret)\nctypes.CDLL(None).pause()",
        bufsize=0,
    )
    try:
        needle = os.read(process.stdout.fileno(), 32)
        wait_for_pause(process)
        assert copies(process.pid, needle) == 1 + ("[:]" in view)
    finally:
        process.kill()
        process.communicate()


def test_exit_with_daemon_threads_at_work():
    """Daemon threads that make, reveal and drop secrets when the interpreter ends: status 0, not a word."""
    for _ in range(5):
        program("""
arena = Arena(at_rest="readwrite")
def work(arena):
    while True:
        secret = SecureBytes.random(32, arena=arena)
        with secret.reveal() as view:
            assert len(bytes(view)) == 32
        assert len(secret[:16]) == 16
for each in (None, arena, None):
    threading.Thread(target=work, args=(each,), daemon=True).start()
time.sleep(0.05)
""")


def test_exit_while_a_daemon_thread_purges():
    """purge() runs without the GIL: the wiping at exit waits for it, and no one deadlocks."""
    program("""
def work():
    while True:
        purge()
threading.Thread(target=work, daemon=True).start()
kept = []
for _ in range(2000):
    try:
        kept.append(SecureBytes.random(32))
    except securemem.WipedError:  # purged in the making
        pass
assert len(kept) > 100
time.sleep(0.02)
""")


def test_secrets_work_in_atexit_callbacks():
    """Callbacks of atexit run before the wiping: secrets made before and in them are usable."""
    said = program("""
import atexit
secret = SecureBytes.copy_of(b"held")
def last():
    print(read(secret), read(SecureBytes.copy_of(b"new")), secret.protection.locked)
atexit.register(last)
""")
    assert said == "b'held' b'new' True\n"


def test_atexit_registered_before_import():
    """A callback registered before securemem was imported runs last of all, and still finds its secret."""
    said = run("""
import atexit
held = []
atexit.register(lambda: print(bytes(memoryview(held[0]))))
from securemem import SecureBytes
held.append(SecureBytes.copy_of(b"held"))
""")
    assert said == "b'held'\n"


def test_finalisers_at_shutdown():
    """__del__ methods of module globals use secrets while the interpreter takes itself apart: no crash."""
    said = program("""
class Holder:
    def __init__(self):
        self.secret = SecureBytes.copy_of(b"held")
        self.write = os.write
    def __del__(self):
        self.write(1, self.secret)
        self.secret.wipe()
        self.write(1, b" wiped\\n" if self.secret.wiped else b" not wiped\\n")
holder = Holder()
cycle = Holder(); cycle.itself = cycle; del cycle
sys.keep = Holder()
""")
    assert said == "held wiped\n" * 3


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("sys.exit(3)", 3),
        ("os._exit(5)", 5),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("ctypes.CDLL(None).exit(7)", 7),
        ("ctypes.PyDLL(None).exit(7)", 7),
    ],
)
def test_exit_status_is_python_s(ending, status):
    """An ending with secrets alive, a view open and a thread at work has the status that it has without securemem."""
    program(
        f"""
secret = SecureBytes.random(32)
view = memoryview(secret)
def work():
    while True:
        SecureBytes.random(5000)
threading.Thread(target=work, daemon=True).start()
{ending}
""",
        ends=status,
    )


def test_uncaught_exception_names_no_secret():
    """An exception with secrets in its frames: status 1, and a traceback in which no byte of them stands."""
    process = start(
        PRELUDE
        + """
import warnings
from securemem import SecretTextWarning
warnings.simplefilter("ignore", SecretTextWarning)  # the traceback shows the exception's text: that is what is tested
secret = SecureBytes.copy_of(b"correct horse")
def fail(secret, view):
    raise ValueError(secret)
fail(secret, memoryview(secret))
"""
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ValueError: <SecureBytes: 13 bytes>" in err
    assert "correct horse" not in err.replace('b"correct horse"', "")


def test_sys_exit_in_a_thread():
    """sys.exit in a thread ends that thread only: its secret is wiped, the others live, the status is 0."""
    program("""
kept = SecureBytes.copy_of(b"kept")
def work():
    with SecureBytes.random(32) as secret:
        dropped.append(weakref.ref(secret))
        sys.exit(3)
dropped = []
thread = threading.Thread(target=work)
thread.start(); thread.join()
assert dropped[0]() is None
assert statistics().live_secrets == 1
assert read(kept) == b"kept"
""")


@pytest.mark.parametrize("status", [-signal.SIGINT, 0])
def test_keyboard_interrupt_in_with(status):
    """A Ctrl-C inside `with secret, secret.reveal()`: the view is closed, the secret wiped, the error goes on.

    Under nohup or cron SIGINT is ignored, and Python then leaves it so: the program takes it back.
    """
    program(
        f"""
signal.signal(signal.SIGINT, signal.default_int_handler)
secret = SecureBytes.random(32)
try:
    with secret, secret.reveal(writable=True) as view:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
except KeyboardInterrupt:
    assert secret.wiped
    assert statistics().open_windows == statistics().live_secrets == 0
    try:
        view[0]
    except ValueError:
        pass
    else:
        raise AssertionError("the view lives on")
    if {status}:
        raise
else:
    raise AssertionError("no interrupt came")
""",
        ends=status,
        quiet=status == 0,
    )


def test_interrupt_with_a_view_left_open():
    """Where a view lives on, `with` dooms the secret and says so; the interrupt stays in the error's context."""
    program("""
secret = SecureBytes.copy_of(b"held")
try:
    with secret:
        view = memoryview(secret)
        raise KeyboardInterrupt
except securemem.ExportedError as error:
    assert type(error.__context__) is KeyboardInterrupt
assert secret.wiped
assert bytes(view) == b"held"
view.release()
assert statistics().live_secrets == 0
""")
