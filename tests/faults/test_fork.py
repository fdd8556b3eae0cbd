"""Forks of every kind: the parent is unaffected; the child is refused the parent's secrets and makes its own.

What is refused, and the control that the parent is not, stands in estate.py: one list for every kind of fork.
"""

from __future__ import annotations

import signal

import pytest

from tests.support.programs import run


def with_estate(body: str, **options) -> str:
    """Run a program that has an estate and checks it at its end."""
    return run(
        "import os, sys, signal, threading\n"
        "from securemem import Arena, SecureBytes, purge, statistics\n"
        "from tests.support.estate import Estate, child_of, raw_clone, raised, read, USES\n"
        "estate = Estate()\n" + body,
        **options,
    )


@pytest.mark.parametrize("fork", ["os.fork", "raw_clone"])
def test_child_is_refused_and_makes_its_own(fork):
    """os.fork, and clone(2) without any handler: ForkedError for all of the parent's, own secrets, status 0."""
    with_estate(f"""
assert child_of(estate.check_child, {fork}) == 0
estate.check_intact()
""")


def test_raw_clone_runs_no_handlers():
    """The control of raw_clone: handlers that run in a child of os.fork do not in one of clone(2)."""
    with_estate("""
ran = []
os.register_at_fork(after_in_child=lambda: ran.append(True))
def check(expected):
    assert ran == expected, ran
assert child_of(lambda: check([True])) == 0
assert child_of(lambda: check([]), raw_clone) == 0
""")


@pytest.mark.parametrize("fork", ["os.fork", "raw_clone"])
def test_grandchild_is_refused_both_generations(fork):
    """A fork in a child: the grandchild gets neither the parent's secrets nor the child's, which stay the child's."""
    with_estate(f"""
def child():
    own = Estate()
    def grandchild():
        estate.check_refused()
        own.check_child()
    assert child_of(grandchild, {fork}) == 0
    own.check_intact()
    estate.check_refused()
assert child_of(child, {fork}) == 0
estate.check_intact()
""")


def test_double_fork():
    """A daemon's double fork: the middle process goes at once, the grandchild works on without its parents."""
    with_estate("""
reading, writing = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        signal.alarm(30)
        estate.check_child()
        os.write(writing, b"done")
        sys.exit(0)
    os._exit(0)
os.close(writing)
assert os.wait()[1] == 0
assert os.read(reading, 10) == b"done"
estate.check_intact()
""")


def test_child_of_a_thread():
    """A fork in another thread than the main one: the same for the child, whose only thread it is."""
    with_estate("""
found = []
thread = threading.Thread(target=lambda: found.append(child_of(estate.check_child)))
thread.start()
thread.join()
assert found == [0], found
estate.check_intact()
""")


def test_many_forks_from_one_parent():
    """A runner that forks for every test: 150 children, alike, leave the parent as it was, its locks included."""
    with_estate("""
from securemem._memory_map import mappings
def state():
    return statistics(), len([one for one in mappings() if one.locked])
before = state()
for _ in range(150):
    pid = os.fork()
    if pid == 0:
        own = SecureBytes.random(32)
        refused = raised(len, estate.secrets[1]).__name__ == "ForkedError"
        os._exit(0 if refused and len(own) == 32 else 1)
    assert os.waitpid(pid, 0)[1] == 0
assert state() == before
assert child_of(estate.check_child) == 0
estate.check_intact()
""")


def test_fork_with_threads_at_work():
    """Forks while threads make, reveal and drop secrets: each child finds the mutex free, the lists whole."""
    with_estate("""
stop = False
def work(arena):
    while not stop:
        mine = [SecureBytes.random(size, arena=arena) for size in (16, 32, 5000)]
        for secret in mine:
            with secret.reveal() as view:
                assert len(view) == len(secret)
arenas = [Arena(), Arena(at_rest="readwrite")]
threads = [threading.Thread(target=work, args=(arena,)) for arena in arenas]
for thread in threads: thread.start()
def check():
    estate.check_child()
    for arena in arenas:
        assert raised(lambda arena: SecureBytes.zeros(8, arena=arena), arena).__name__ == "ForkedError"
endings = [child_of(check) for _ in range(12)]
stop = True
for thread in threads: thread.join()
assert endings == [0] * 12, endings
del arenas
estate.check_intact()
""")


def test_fork_during_purge():
    """Forks while another thread purges without the GIL: no child finds the core's mutex locked."""
    with_estate("""
stop = False
purges = 0
def work():
    global purges
    while not stop:
        mine = [SecureBytes.random(32) for _ in range(200)]
        purge()
        purges += 1
        assert all(secret.wiped for secret in mine)
thread = threading.Thread(target=work)
thread.start()
endings = [child_of(estate.check_child) for _ in range(15)]
stop = True
thread.join()
assert endings == [0] * 15, endings
assert purges > 0
assert all(secret.wiped for secret in estate.secrets)
assert read(SecureBytes.copy_of(b"afterwards")) == b"afterwards"
""")


VIEWS = [("noaccess", 32), ("readwrite", 32), ("noaccess", 100_000), ("readwrite", 100_000)]
STALE = """
import os, sys, mmap, resource
from tests.support.estate import raw_clone, raised
from securemem import Arena, SecureBytes
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
kept = []
def map_much():
    for pages in (1, 2, 3, 4, 8, 26, 27, 64, 65):
        for _ in range(150):
            one = mmap.mmap(-1, pages * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            one[0:mmap.PAGESIZE] = bytes([0x5A]) * mmap.PAGESIZE
            kept.append(one)
def read_in_child(view, fork, prepare):
    reading, writing = os.pipe()
    pid = fork()
    if pid == 0:
        prepare()
        os.write(writing, b"reads ")
        os.write(writing, b"%d %d" % (view[0], view[-1]))
        os._exit(0)
    os.close(writing)
    said = b""
    while chunk := os.read(reading, 100): said += chunk
    print(said.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_stale_view_of_ordinary_memory_reads_another_mapping():
    """The control: where nobody keeps the addresses taken, a view from before the fork reads a later mapping."""
    said = run(
        STALE
        + """
parent = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
parent.madvise(mmap.MADV_DONTFORK)
parent[:] = bytes([0x11]) * mmap.PAGESIZE
read_in_child(memoryview(parent), os.fork, map_much)
"""
    )
    assert said == "reads 90 90 0\n"


@pytest.mark.parametrize(("at_rest", "size"), VIEWS)
@pytest.mark.parametrize(("fork", "prepare"), [("os.fork", "map_much"), ("raw_clone", "use_first")])
def test_a_stale_view_faults(at_rest, size, fork, prepare):
    """A view opened before the fork faults in the child, however much the child mapped since.

    After clone(2) without handlers that holds from the first use of securemem on, which takes the addresses.
    """
    said = run(
        STALE
        + f"""
def use_first():
    assert raised(len, secret).__name__ == "ForkedError"
    map_much()
secret = SecureBytes.copy_of(bytes([0x11]) * {size}, arena=Arena(at_rest="{at_rest}"))
view = memoryview(secret)
read_in_child(view, {fork}, lambda: None)
read_in_child(view, {fork}, {prepare})
assert view[0] == view[-1] == 0x11
"""
    )
    assert said == f"reads  -{signal.SIGSEGV.value}\n" * 2


def test_subprocess_by_vfork_fork_and_posix_spawn():
    """Programs started by vfork, fork, posix_spawn: a vfork, which shares memory, makes no child of the parent."""
    with_estate("""
import subprocess
for vfork, spawn, close_fds in [(True, False, True), (False, False, True), (False, True, False)]:
    subprocess._USE_VFORK, subprocess._USE_POSIX_SPAWN = vfork, spawn
    subprocess.run(["true"], check=True, close_fds=close_fds)
    estate.check_intact()
pid = os.posix_spawn("/bin/true", ["true"], {})
assert os.waitpid(pid, 0)[1] == 0
estate.check_intact()
own = "from tests.support.estate import Estate; Estate.check_own()"
again = subprocess.run([sys.executable, "-c", own], check=True)
estate.check_intact()
""")


def test_subprocess_with_a_function_before_exec():
    """preexec_fn runs in a forked child: it is refused the parent's secrets like any other."""
    with_estate("""
import subprocess
subprocess.run(["true"], check=True, preexec_fn=estate.check_child)
estate.check_intact()
""")


def test_multiprocessing_fork():
    """With the fork method of multiprocessing the estate comes along by inheritance, and is refused."""
    with_estate("""
import multiprocessing
from tests.support.estate import check_in_process
process = multiprocessing.get_context("fork").Process(target=check_in_process, args=(estate,))
process.start(); process.join()
assert process.exitcode == 0, process.exitcode
estate.check_intact()
""")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing_spawn_and_forkserver(method):
    """Fresh interpreters have secrets of their own; a secret as an argument is refused before anything starts."""
    with_estate(f"""
import multiprocessing
from tests.support.estate import check_in_process
context = multiprocessing.get_context("{method}")
process = context.Process(target=check_in_process)
process.start(); process.join()
assert process.exitcode == 0, process.exitcode
try:
    context.Process(target=check_in_process, args=(estate.secrets[1],)).start()
except TypeError as error:
    assert "pickled" in str(error), error
else:
    raise AssertionError("a secret was pickled")
estate.check_intact()
""")


def test_multiprocessing_forkserver_with_secrets_of_its_own():
    """A fork server that made secrets while preloading: its children are refused them."""
    with_estate("""
import multiprocessing
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.support.preloaded"])
from tests.support.preloaded import check
for _ in range(2):
    process = context.Process(target=check)
    process.start(); process.join()
    assert process.exitcode == 0, process.exitcode
""")
