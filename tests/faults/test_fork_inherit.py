"""Forks of a process whose arenas are inherited: children really read their secrets, locked there; and what is lost.

What children of other arenas are refused stands in test_fork.py.
"""

from __future__ import annotations

import pytest

from securemem import Arena, SecureBytes, configure
from securemem.exceptions import InvalidArgumentError
from tests.support.programs import run

HEAD = """
import gc, hashlib, mmap, os, signal, sys, threading, time
from securemem import Arena, ForkedError, SecureBytes, WipedError, purge, statistics
from securemem._memory_map import mappings, status_kib
from tests.support.estate import child_of, raised, raw_clone, read
SIZES = (1, 32, 4088, 70_000, 200_000)
class Inherited:
    def __init__(self):
        self.arenas = [Arena(fork="inherit", at_rest=at_rest) for at_rest in ("noaccess", "readwrite")]
        self.contents = [os.urandom(size) for _ in self.arenas for size in SIZES]
        self.secrets = []
        for arena in self.arenas:
            for _ in SIZES:
                self.secrets.append(SecureBytes.copy_of(self.contents[len(self.secrets)], arena=arena))
        self.secrets[0].freeze()
    def check(self):
        assert [read(secret) for secret in self.secrets] == self.contents
    def check_protected(self):
        for secret in self.secrets:
            found = secret.protection
            assert found.locked and found.dump_excluded and found.guarded and not found.mergeable, found
            assert not found.huge_pages and not found.failed_close, found
            assert found.fork_policy == "inherited" and found.fork_excluded, found
            assert found.closed or len(self.secrets) // 2 <= self.secrets.index(secret), found
        held = statistics()
        assert held.inherited_bytes == held.locked_bytes == held.page_bytes, held
        assert status_kib("VmLck") * 1024 == held.locked_bytes, (status_kib("VmLck"), held)
        locked = [one for one in mappings() if one.locked]
        assert sum(one.sizes["Rss"] for one in locked) * 1024 == held.locked_bytes
        assert all(one.sizes["Locked"] == one.sizes["Rss"] for one in locked)
        assert all(one.flags >= {"dd", "dc"} and not one.sizes.get("Swap") for one in locked), locked
    def check_refused(self):
        for secret in self.secrets:
            assert raised(read, secret) is ForkedError
            assert raised(lambda one: one.wipe(), secret) is ForkedError
        for arena in self.arenas:
            assert raised(lambda one: SecureBytes.zeros(8, arena=one), arena) is ForkedError
"""


def program(body: str, **options) -> str:
    """Run a program that has inherited secrets."""
    return run(HEAD + "mine = Inherited()\n" + body, **options)


@pytest.mark.parametrize(
    "bad", [{"fork": "inherit", "backend": "memfd_secret"}, {"fork": "share"}, {"fork": None}, {"fork": ["inherit"]}]
)
def test_pairs_and_words_that_do_not_exist(bad):
    """Secret memory would be shared with the child: the pair is refused, and so is another word, before anything."""
    for make in (Arena, configure):
        with pytest.raises(InvalidArgumentError, match="fork="):
            make(**bad)


def test_the_policy_is_told():
    """repr() of the arena and the protection of its secrets tell whether children get them; at rest none does."""
    policies = {}
    for fork in ("exclude", "inherit"):
        arena = Arena(fork=fork)
        found = SecureBytes.zeros(32, arena=arena).protection
        assert f"fork={fork!r}" in repr(arena)
        policies[fork] = (found.fork_policy, found.fork_excluded)
        assert arena.statistics().inherited_bytes == (0 if fork == "exclude" else arena.statistics().page_bytes)
    assert policies == {"exclude": ("excluded", True), "inherit": ("inherited", True)}


def test_child_reads_changes_and_wipes_its_own():
    """os.fork: the child reads, locked and protected; what it changes, wipes and makes is its own, not the parent's."""
    program("""
mine.check_protected()
def child():
    mine.check_protected()
    mine.check()
    mine.check_protected()
    with mine.secrets[1].reveal(writable=True) as view:
        view[0] ^= 1
    for number in (2, 3, 4):
        mine.secrets[number].wipe()
        assert raised(read, mine.secrets[number]) is WipedError
    more = [SecureBytes.random(size, arena=arena) for arena in mine.arenas for size in SIZES]
    assert len({read(one) for one in more}) == len(more)
    held = statistics()
    assert held.live_secrets == len(mine.secrets) - 3 + len(more) and held.lost_secrets == 0, held
    assert held.open_windows == held.failed_closes == 0, held
    assert purge() == 0 and all(secret.wiped for secret in mine.secrets + more)
    for arena in mine.arenas:
        arena.close()
before = statistics()
assert child_of(child) == 0
assert statistics() == before
mine.check()
mine.check_protected()
""")


def test_raw_clone_is_refused():
    """clone(2) without handlers: the pages are not there, ForkedError for all; the parent is untouched."""
    program("""
def child():
    mine.check_refused()
    held = statistics()
    assert held.page_bytes == held.inherited_bytes == held.lost_secrets == 0, held
    own = Inherited()
    own.check(); own.check_protected()
assert child_of(child, raw_clone) == 0
assert child_of(mine.check) == 0  # the control: by fork() they are there
mine.check()
""")


def test_default_arena():
    """configure(fork="inherit"): the default arena comes along; with "exclude", a child makes one of its own."""
    for fork in ("inherit", "exclude"):
        run(
            HEAD
            + f"""
from securemem import configure
configure(fork={fork!r})
secret = SecureBytes.copy_of(b"of the default arena")
def child():
    assert raised(read, secret) is {"None" if fork == "inherit" else "ForkedError"}
    own = SecureBytes.copy_of(b"the child's")
    assert read(own) == b"the child's" and own.protection.locked
    assert statistics().live_secrets == {2 if fork == "inherit" else 1}
assert child_of(child) == 0
"""
        )


def test_nested_forks():
    """Children of children inherit what their parents had, what these made since included; a raw clone of one, none."""
    program("""
def child():
    mine.check()
    own = Inherited()
    mine.secrets[1].wipe()
    def grandchild():
        own.check(); own.check_protected()
        assert raised(read, mine.secrets[1]) is WipedError
        assert [read(one) for one in mine.secrets[2:]] == mine.contents[2:]
    assert child_of(grandchild) == 0
    def cloned():
        own.check_refused()
        assert raised(read, mine.secrets[1]) is WipedError
        assert [raised(read, one) for one in mine.secrets[2:]] == [ForkedError] * (len(mine.secrets) - 2)
    assert child_of(cloned, raw_clone) == 0
    own.check()
assert child_of(child) == 0
mine.check()
""")


def test_a_raw_clone_forks_on():
    """A raw clone that makes inherited secrets of its own hands these on by fork(), and its parent's not."""
    program("""
def cloned():
    own = Inherited()
    def child():
        own.check(); own.check_protected()
        mine.check_refused()
    assert child_of(child) == 0
assert child_of(cloned, raw_clone) == 0
""")


def test_workers_of_a_pre_fork_server():
    """Four workers of one master, as gunicorn --preload makes them: each signs with the key that the master loaded."""
    said = program("""
import hmac
key = SecureBytes.copy_of(b"the key that the master loaded", arena=mine.arenas[0])
expected = hmac.digest(b"the key that the master loaded", b"request", "sha256")
reading, writing = os.pipe()
for number in range(4):
    if os.fork() == 0:
        for _ in range(50):
            assert hmac.digest(key, b"request", "sha256") == expected
            assert key.protection.locked
        os.write(writing, b"%d" % number)
        os._exit(0)
assert [os.wait()[1] for _ in range(4)] == [0] * 4
os.close(writing)
print(sorted(os.read(reading, 10)))
mine.check()
""")
    assert said == "[48, 49, 50, 51]\n"


def test_multiprocessing_fork():
    """Processes and a pool of multiprocessing's fork method read the secrets that they came along with."""
    program("""
import multiprocessing
context = multiprocessing.get_context("fork")
process = context.Process(target=mine.check)
process.start(); process.join()
assert process.exitcode == 0
def digest(number):
    return hashlib.sha256(mine.secrets[number]).digest()
with context.Pool(3) as pool:
    found = pool.map(digest, range(len(mine.secrets)))
assert found == [hashlib.sha256(content).digest() for content in mine.contents]
""")


def test_exec_after_a_fork():
    """Fork and exec: nothing is left of them, and the parent is whole; likewise with preexec_fn, which can read."""
    program("""
import subprocess
code = "from tests.support.estate import Estate; Estate.check_own()"
if (pid := os.fork()) == 0:
    os.execv(sys.executable, [sys.executable, "-c", code])
assert os.waitpid(pid, 0)[1] == 0
subprocess.run([sys.executable, "-c", code], check=True)
subprocess.run(["true"], check=True, preexec_fn=mine.check)
mine.check(); mine.check_protected()
""")


def test_views_of_the_thread_that_forks_stay_open():
    """A view that is open where the fork is called is open in the child too, and closes there as ever."""
    program("""
view = memoryview(mine.secrets[1])
with mine.secrets[2].reveal(writable=True) as writable:
    pid = os.fork()
    if pid == 0:
        assert statistics().open_windows == 2
        writable[0] ^= 255
        assert bytes(view) == mine.contents[1] and writable[1:] == mine.contents[2][1:]
    inside = writable[0]
assert (inside == mine.contents[2][0]) == (pid != 0)
view.release()
assert statistics().open_windows == 0
if pid == 0:
    mine.check_protected()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
mine.check()
""")


def test_views_of_other_threads_are_closed():
    """Views of threads that did not come along do not count: pages are shut, secrets can be wiped."""
    program("""
shared, ready, end = [], threading.Event(), threading.Event()
def hold():
    own = memoryview(mine.secrets[2])
    shared.extend([memoryview(mine.secrets[1]), mine.secrets[1].reveal()])
    shared[1].__enter__()
    ready.set()
    end.wait()
thread = threading.Thread(target=hold)
thread.start()
ready.wait()
own = memoryview(mine.secrets[1])
def child():
    assert statistics().open_windows == 1
    mine.check()
    shared[0].release()  # a view of the thread that is not here: closed already
    shared[1].__exit__(None, None, None)
    assert statistics().open_windows == 1 and bytes(own) == mine.contents[1]
    assert raised(lambda secret: secret.wipe(), mine.secrets[1]) is not None  # for own is still open
    own.release()
    assert statistics().open_windows == 0 and mine.secrets[1].wiped
    mine.secrets[2].wipe()
    assert mine.secrets[2].wiped
assert child_of(child) == 0
assert statistics().open_windows == 4
end.set(); thread.join()
shared[0].release(); shared[1].__exit__(None, None, None); own.release()
del own
assert statistics().open_windows == 0
mine.check()
""")


def test_a_secret_that_another_thread_writes_is_lost_in_the_child():
    """Half-written bytes are no secret: the child gets ForkedError and zeroed memory; the parent writes on."""
    program("""
from tests.support.estate import USES
ready, end = threading.Event(), threading.Event()
def write():
    with mine.secrets[2].reveal(writable=True) as view:
        view[0] = 1
        ready.set()
        end.wait()
        view[:] = mine.contents[2]
thread = threading.Thread(target=write)
thread.start()
ready.wait()
def child():
    for name, use in USES.items():
        assert raised(use, mine.secrets[2]) is ForkedError, name
    held = statistics()
    assert held.lost_secrets == 1 and held.live_secrets == len(mine.secrets) - 1, held
    others = [number for number in range(len(mine.secrets)) if number != 2]
    assert [read(mine.secrets[number]) for number in others] == [mine.contents[number] for number in others]
    assert mine.contents[2][100:] not in whole_memory()
    assert mine.contents[1] in whole_memory()  # the control: what is not lost is found
    del mine.secrets[2]
    gc.collect()
    assert purge() == 0
def whole_memory():
    found = b""
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        for one in mappings():
            if one.locked:
                memory.seek(one.start)
                found += memory.read(one.end - one.start)
    return found
assert child_of(child) == 0
end.set(); thread.join()
mine.check()
""")


def test_doomed_and_wiped_secrets():
    """What waits for another thread's view to be wiped is wiped in the child; under an own view, at its release."""
    program("""
views = {}
ready, end = threading.Event(), threading.Event()
def hold():
    views["theirs"] = memoryview(mine.secrets[1])
    ready.set()
    end.wait()
thread = threading.Thread(target=hold)
thread.start()
ready.wait()
views["own"] = memoryview(mine.secrets[2])
for number in (1, 2):
    assert raised(lambda secret: secret.wipe(), mine.secrets[number]) is not None
mine.secrets[3].wipe()
def child():
    assert [raised(read, mine.secrets[number]) for number in (1, 2, 3)] == [WipedError] * 3
    assert statistics().live_secrets == len(mine.secrets) - 2
    views["own"].release()
    assert statistics().live_secrets == len(mine.secrets) - 3
assert child_of(child) == 0
assert bytes(views["own"]) == mine.contents[2]
end.set(); thread.join()
""")


def test_forks_at_every_moment_of_eight_threads():
    """Forks while eight threads make, read, write, wipe and purge arenas: each child reads all that nobody writes."""
    program(
        """
stop = False
def work(number):
    arena = mine.arenas[number % 2]
    while not stop:
        own = [SecureBytes.random(size, arena=arena) for size in (16, 32, 5000, 140_000)]
        for secret in own:
            with secret.reveal(writable=True) as view:
                view[0] = 1
        with mine.secrets[number].reveal() as view:
            assert view == mine.contents[number]
        if number == 7:
            own[2].wipe()
            Arena(fork="inherit").close()
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
def child():
    mine.check(); mine.check_protected()
    assert statistics().open_windows == 0
    for arena in mine.arenas:
        assert len(SecureBytes.random(140_000, arena=arena)) == 140_000
    assert purge() == 0
    assert statistics().live_secrets == 0
endings = [child_of(child) for _ in range(25)]
stop = True
for thread in threads: thread.join()
assert endings == [0] * 25, endings
mine.check(); mine.check_protected()
""",
        timeout=120,
    )


def test_many_forks_leave_the_parent_as_it_was():
    """150 children, alike: the parent's mappings, locks and counts do not grow; each child reads."""
    program("""
def state():
    return statistics(), len(list(mappings())), sum("dc" in one.flags for one in mappings())
mine.check()
assert child_of(mine.check) == 0
before = state()
for _ in range(150):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if read(mine.secrets[1]) == mine.contents[1] else 1)
    assert os.waitpid(pid, 0)[1] == 0
assert state() == before
""")


def test_over_the_lock_limit_a_child_has_all_or_nothing_of_a_run():
    """RLIMIT_MEMLOCK lowered before the fork: runs that fit are whole in the child, others are lost, none unlocked."""
    program("""
import resource
from tests.support.ordinary_user import become
become(128 << 10)
def child():
    found = [raised(read, secret) for secret in mine.secrets]
    assert None in found and ForkedError in found and set(found) <= {None, ForkedError}, found
    held = statistics()
    assert held.lost_secrets == found.count(ForkedError), held
    assert held.live_secrets == found.count(None), held
    assert held.page_bytes == held.locked_bytes == status_kib("VmLck") * 1024 <= 128 << 10, held
    for secret, content, error in zip(mine.secrets, mine.contents, found):
        assert error is ForkedError or read(secret) == content and secret.protection.locked
assert child_of(child) == 0
mine.check()
""")
