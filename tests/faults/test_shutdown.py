"""Threads and endings: whatever ends the interpreter, no crash, the status that Python documents, and zeroed memory."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from programs import run, start

PRELUDE = """
import ctypes, gc, os, signal, sys, threading, time, weakref
import securemem
from securemem import Arena, SecureBytes, purge, statistics
from estate import read
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
    """How often a process has these bytes in its writable or closed memory, read from outside."""
    found = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            bounds, permissions = line.split()[:2]
            start_, end = (int(bound, 16) for bound in bounds.split("-"))
            if line.rstrip().endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")) or permissions[:2] == "r-":
                continue
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
        with open(f"/proc/{process.pid}/syscall") as file:
            number = file.read().split()[0]
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


def test_the_outside_search_finds_a_live_secret():
    """The control: while it is held, and its page closed, the same search finds the secret."""
    process = start(
        PRELUDE + "secret = SecureBytes.random(32)\nos.write(1, secret)\nctypes.CDLL(None).pause()", bufsize=0
    )
    try:
        needle = os.read(process.stdout.fileno(), 32)
        wait_for_pause(process)
        assert copies(process.pid, needle) == 1
    finally:
        process.kill()
        process.communicate()


def test_exit_with_daemon_threads_at_work():
    """Daemon threads that make, reveal and drop secrets when the interpreter ends: status 0, not a word."""
    for _ in range(5):
        program("""
arena = Arena(at_rest="open")
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
kept = [SecureBytes.random(32) for _ in range(2000)]
time.sleep(0.02)
""")


def test_secrets_work_in_atexit_callbacks():
    """atexit callbacks run before the wiping: secrets made before and in them are usable, whichever import was first."""
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
    """A Ctrl-C inside `with secret` and `with secret.reveal()`: the view is closed, the secret wiped, the error goes on."""
    program(
        f"""
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


def test_exceptions_holding_frames():
    """A caught exception keeps its frames' secrets alive; when it goes, they are wiped and their pages closed."""
    program("""
def fail():
    secret = SecureBytes.random(32)
    view = memoryview(secret)
    raise ValueError
try:
    fail()
except ValueError as error:
    kept = error
assert (statistics().live_secrets, statistics().open_windows) == (1, 1)
del kept
assert (statistics().live_secrets, statistics().open_windows) == (0, 0)
""")


def test_garbage_cycles():
    """Secrets in cycles, Reveals in cycles, and their views are collected: wiped, closed, nothing left."""
    program("""
gc.disable()
def counts():
    now = statistics()
    return now.live_secrets, now.open_windows
class Node: pass
node = Node(); node.itself = node; node.secret = SecureBytes.random(32)
node.view = memoryview(node.secret)
box = Node(); box.itself = box; box.reveal = SecureBytes.random(32).reveal(); box.view = box.reveal.__enter__()
box.slice = box.view[3:5]
def generator():
    with SecureBytes.random(32) as secret, secret.reveal() as view:
        yield view[0]
abandoned = generator(); next(abandoned)
cyclic = []
def holding():
    held = cyclic
    with SecureBytes.random(32).reveal(writable=True) as view:
        yield
cyclic.append(holding()); next(cyclic[0])
alone = SecureBytes.random(32).reveal(); alone.__enter__(); del alone
assert counts() == (5, 5), counts()
del abandoned, node, box, cyclic
assert counts() == (4, 4), counts()
gc.collect()
assert counts() == (0, 0), counts()
""")


def test_weakref_callbacks():
    """A callback runs when the secret goes, and may make, use and drop others; the one that went is out of reach."""
    program("""
ran = []
def gone(reference):
    assert reference() is None
    other = SecureBytes.random(32)
    with other.reveal() as view:
        ran.append(len(view))
    purge()
secret = SecureBytes.random(32)
reference = weakref.ref(secret, gone)
table = weakref.WeakValueDictionary(key=secret)
weakref.finalize(secret, ran.append, "finalized")
del secret
assert sorted(map(str, ran)) == ["32", "finalized"], ran
assert not table
assert statistics().live_secrets == 0
""")


def test_dropped_in_the_midst_of_reveal():
    """The last name of a secret goes while a view is open: the view stays right, and its end wipes the secret."""
    program("""
secret = SecureBytes.copy_of(b"held")
with secret.reveal() as view:
    del secret
    gc.collect()
    assert bytes(view) == b"held"
    assert statistics().live_secrets == 1
assert (statistics().live_secrets, statistics().open_windows) == (0, 0)
view = memoryview(SecureBytes.copy_of(b"only a view"))
assert bytes(view) == b"only a view"
view.release()
assert (statistics().live_secrets, statistics().open_windows) == (0, 0)
""")


SUB_INTERPRETER = """
def refused(isolated):
    code = "import securemem"
    if sys.version_info >= (3, 13):
        import _interpreters
        other = _interpreters.create("isolated" if isolated else "legacy")
        answer = _interpreters.run_string(other, code)
        said = answer and f"{answer.type.__name__}: {answer.msg}"
        _interpreters.destroy(other)
        return said
    import _xxsubinterpreters
    other = _xxsubinterpreters.create(isolated=isolated)
    try:
        _xxsubinterpreters.run_string(other, code)
    except _xxsubinterpreters.RunFailedError as error:
        return str(error)
    finally:
        _xxsubinterpreters.destroy(other)
    return None
"""


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("first", ["import securemem", "pass"])
def test_sub_interpreters_are_refused(isolated, first):
    """ImportError in every sub-interpreter, legacy or isolated, before or after the main one; the main one is unharmed."""
    said = run(
        f"""
import sys
{first}
"""
        + SUB_INTERPRETER
        + f"""
print(refused({isolated}))
from securemem import Arena, SecureBytes, WipedError
secret = SecureBytes.copy_of(b"held")
assert bytes(memoryview(secret)) == b"held"
secret.wipe()
try:
    len(secret)
except WipedError as error:
    print(type(error).__name__)
"""
    )
    own_words = "cannot be imported in a sub-interpreter: import it in the main interpreter"
    pythons = "module securemem._types does not support loading in subinterpreters"
    assert "ImportError" in said
    assert (pythons if isolated and sys.version_info >= (3, 12) else own_words) in said
    assert said.endswith("WipedError\n")


def test_module_reload():
    """importlib.reload keeps types and secrets; a second import from nothing finds the same types and secrets."""
    program("""
import importlib
secret = SecureBytes.copy_of(b"held")
arena = Arena()
other = SecureBytes.copy_of(b"other", arena=arena)
importlib.reload(securemem)
assert securemem.SecureBytes is SecureBytes and securemem.WipedError is not None
for name in [name for name in sys.modules if name.split(".")[0] == "securemem"]:
    del sys.modules[name]
import securemem as again
assert again is not securemem and again.SecureBytes is SecureBytes
assert read(secret) == b"held" and read(other) == b"other"
assert again.statistics().live_secrets == 2
assert secret.protection.locked
secret.wipe()
try:
    len(secret)
except again.WipedError:
    pass
SecureBytes.zeros(8, arena=arena)
SecureBytes.zeros(8, arena=again.Arena())
""")


@pytest.mark.parametrize("at_rest", ["closed", "open"])
def test_threads_hammer_the_windows_of_one_page(at_rest):
    """Threads read and write neighbours on one page: each finds its own bytes, counts return to 0, the page is closed."""
    program(f"""
sys.setswitchinterval(1e-5)
arena = Arena(at_rest="{at_rest}")
secrets = [SecureBytes.zeros(32, arena=arena) for _ in range(8)]
assert arena.statistics().page_bytes == 4096
wrong = []
def work(number, secret):
    other = secrets[(number + 1) % len(secrets)]
    for turn in range(400):
        pattern = bytes([number, turn % 256]) * 16
        with secret.reveal(writable=True) as view:
            view[:] = pattern
        with secret.reveal() as view, other.reveal() as neighbour:
            if bytes(view) != pattern or neighbour[0] not in (0, (number + 1) % len(secrets)):
                wrong.append((number, turn))
        if secret != pattern or secret[:2] != pattern[:2]:
            wrong.append((number, turn))
threads = [threading.Thread(target=work, args=each) for each in enumerate(secrets)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not wrong, wrong
now = arena.statistics()
assert (now.live_secrets, now.open_windows, now.failed_closes, now.stuck_pages) == (8, 0, 0, 0), now
assert secrets[0].protection.closed is {at_rest == "closed"}
with secrets[3].reveal():
    assert not secrets[0].protection.closed  # the control: an open neighbour shows
""")


def test_wipe_and_purge_against_open_views():
    """Wipes and purges in other threads while views open and close: a view reads its bytes whole, never zeros."""
    program("""
sys.setswitchinterval(1e-5)
torn, stop = [], False
def work(number):
    pattern = bytes([number]) * 48
    while not stop:
        secret = SecureBytes.copy_of(pattern)
        try:
            for _ in range(5):
                with secret.reveal() as view:
                    if bytes(view) != pattern:
                        torn.append(bytes(view))
            secret.wipe()
        except securemem.WipedError:
            doomed.append(1)
        except securemem.ExportedError:
            torn.append("our own view was closed")
doomed, waited = [], 0
threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
for thread in threads: thread.start()
ends = time.monotonic() + 1
while time.monotonic() < ends:
    waited += purge()
    time.sleep(0)
stop = True
for thread in threads: thread.join()
assert not torn, torn[:3]
assert doomed  # purges came between
now = statistics()
assert (now.live_secrets, now.open_windows, now.failed_closes, now.pending_wipes) == (0, 0, 0, 0), now
""")
