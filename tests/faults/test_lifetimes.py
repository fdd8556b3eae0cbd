"""How long secrets live: cycles, callbacks, frames, reloads, other interpreters and threads; none crashes or leaks."""

from __future__ import annotations

import sys

import pytest

from tests.support.programs import run

PRELUDE = """
import gc, sys, threading, time, weakref
import securemem
from securemem import Arena, SecureBytes, purge, statistics
from tests.support.estate import read
"""


def program(body: str) -> None:
    """Run a program with the usual imports; it must end with status 0 and say nothing on stderr."""
    run(PRELUDE + body)


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
assert counts() == (4, 4), counts()  # the one that was alone went at once: a Reveal and its view make no cycle
del abandoned, node, box, cyclic
assert counts() == (3, 3), counts()
gc.collect()
assert counts() == (0, 0), counts()
""")


def test_a_reveal_entered_by_a_finaliser():
    """A finaliser that enters the reveal() being entered, from a collection in its midst, leaves no window open."""
    program("""
secret = SecureBytes.copy_of(b"8 bytes.")
reveal = secret.reveal()
entered = 0

class Garbage:
    def __del__(self):
        global entered
        try:
            reveal.__enter__()
        except RuntimeError:
            return
        entered += 1

gc.set_threshold(1)
for _ in range(200):
    garbage = Garbage()
    garbage.itself = garbage
    del garbage
    try:
        reveal.__enter__()
    except RuntimeError:
        pass
    reveal.__exit__(None, None, None)
gc.set_threshold(0)
gc.collect()
reveal.__exit__(None, None, None)
assert entered > 0 or sys.version_info >= (3, 12)  # since then the collector runs between instructions only
assert statistics().open_windows == 0
secret.wipe()
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
    """ImportError in sub-interpreters, legacy or isolated, before or after the main one, which is unharmed."""
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


@pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])
def test_threads_hammer_the_windows_of_one_page(at_rest):
    """Threads read and write neighbours on one page: each finds its own bytes, and at the end the page is closed."""
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
assert secrets[0].protection.closed is {at_rest == "noaccess"}
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
        try:
            secret = SecureBytes.copy_of(pattern)
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
