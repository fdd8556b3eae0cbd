"""Arenas: policies, bounds, statistics, closing, and the default arena's configuration."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

import securemem
from securemem import Arena, SecureBytes
from securemem._memory_map import mappings
from securemem.exceptions import BackendUnavailableError


def in_new_process(program):
    """Run a program where the default arena was not used yet; its output."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("words", [{"at_rest": "ajar"}, {"lock": "maybe"}, {"backend": "paper"}, {"at_rest": 1}])
def test_unknown_policies(words):
    """A policy that does not exist is a InvalidArgumentError that names those that do."""
    with pytest.raises(securemem.exceptions.InvalidArgumentError, match="choose one of"):
        Arena(**words)
    with pytest.raises(securemem.exceptions.InvalidArgumentError, match="choose one of"):
        securemem.configure(**words)


@pytest.mark.parametrize("bound", [0, -1, 4095, 2**70])
def test_impossible_bounds(bound):
    """max_bytes that hold no page are a InvalidArgumentError."""
    with pytest.raises(securemem.exceptions.InvalidArgumentError, match="max_bytes"):
        Arena(max_bytes=bound)


@pytest.mark.parametrize("bound", ["4096", 4096.0])
def test_bounds_that_are_no_integers(bound):
    """max_bytes is an integer or None."""
    with pytest.raises(TypeError, match="max_bytes"):
        Arena(max_bytes=bound)


def test_repr_names_the_policies():
    """An arena shows its policies."""
    assert repr(Arena(at_rest="readwrite", max_bytes=8192)) == (
        "Arena(at_rest='readwrite', lock='require', max_bytes=8192, backend='mlock', fork='exclude')"
    )


def test_uninitialised_arena():
    """An arena whose __init__ never ran is refused, not dereferenced."""
    arena = Arena.__new__(Arena)
    assert "never initialised" in repr(arena)
    with pytest.raises(TypeError, match="initialised"):
        SecureBytes.zeros(1, arena=arena)
    with pytest.raises(TypeError, match="initialised"):
        arena.statistics()
    arena.__init__()
    with pytest.raises(RuntimeError):
        arena.__init__()
    assert len(SecureBytes.zeros(1, arena=arena)) == 1


def test_a_subclass_cannot_redirect_the_core():
    """A subclass's attribute that is named like the handle's address is no pointer to the core."""

    class Odd(Arena):
        _address = 4096

    with Odd() as arena:
        SecureBytes.zeros(8, arena=arena)
        assert arena.statistics().live_secrets == 0
        assert arena.fits(8) > 0
    with pytest.raises(securemem.exceptions.ArenaClosedError):
        SecureBytes.zeros(8, arena=arena)


@pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])
@pytest.mark.parametrize("backend", ["mlock", "memfd_secret"])
def test_statistics_follow(at_rest, backend):
    """Statistics count secrets, bytes, pages, runs and windows, and go back to what they were."""
    try:
        SecureBytes.zeros(8, arena=Arena(backend=backend)).wipe()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    with Arena(at_rest=at_rest, backend=backend) as arena:
        assert tuple(arena.statistics().as_dict().values())[:7] == (0,) * 7
        secrets = [SecureBytes.zeros(32, arena=arena) for _ in range(103)]
        large = SecureBytes.zeros(10_000, arena=arena)
        counts = arena.statistics()
        assert counts.live_secrets == 104
        assert counts.live_bytes == 103 * 32 + 10_000
        assert counts.page_bytes == counts.locked_bytes == (1 + 2 + 3) * 4096
        assert counts.runs == 3
        with large.reveal(), memoryview(secrets[0]):
            assert arena.statistics().open_windows == 2
        assert arena.statistics().open_windows == 0
        assert counts.failed_closes == counts.stuck_pages == counts.pending_wipes == 0
        # Newer kernels (Debian's 6.12.117) do not count secret memory in VmLck, and do not flag it as locked.
        uncounted = sum(one.end - one.start for one in mappings() if one.secret and "lo" not in one.flags)
        assert counts.process_locked + uncounted >= counts.locked_bytes
        everything = securemem.statistics()
        assert everything.locked_bytes >= counts.locked_bytes
        del secrets, large
        assert arena.statistics().live_bytes == 0


def test_idle_pages_are_bounded():
    """Churn keeps one empty page run per class and a bounded cache of large ones, no more."""
    with Arena(at_rest="readwrite") as arena:
        keep = [SecureBytes.zeros(32, arena=arena) for _ in range(20_000)]
        peak = arena.statistics().page_bytes
        del keep
        assert arena.statistics().page_bytes <= 64 * 4096 < peak
        for size in (100_000, 200_000, 400_000, 1_000_000, 3_000_000):
            for _ in range(3):
                del_me = SecureBytes.zeros(size, arena=arena)
                del del_me
        assert arena.statistics().page_bytes <= 64 * 4096 + (2 << 20)


def test_large_runs_are_reused():
    """A large secret's run is kept and used again, zeroed."""
    with Arena() as arena:
        first = SecureBytes.random(65536, arena=arena)
        del first
        runs = arena.statistics().runs
        second = SecureBytes.zeros(65536, arena=arena)
        assert arena.statistics().runs == runs
        assert second == bytes(65536)
        del second
        third = SecureBytes.zeros(61441, arena=arena)
        assert arena.statistics().runs == runs
        assert third == bytes(61441)


def test_max_bytes_bounds_the_arena():
    """At max_bytes ArenaFullError; earlier secrets stay, and wiping makes room."""
    with Arena(max_bytes=3 * 4096) as arena:
        secrets = []
        with pytest.raises(securemem.exceptions.ArenaFullError, match="max_bytes"):
            while True:
                secrets.append(SecureBytes.copy_of(len(secrets).to_bytes(32, "big"), arena=arena))
        assert len(secrets) == 3 * 102
        assert arena.fits(32) == 0
        assert all(secret == i.to_bytes(32, "big") for i, secret in enumerate(secrets))
        with pytest.raises(securemem.exceptions.ArenaFullError):
            SecureBytes.zeros(100, arena=arena)
        secrets.clear()
        assert arena.fits(100) == 3 * 30
        assert len(SecureBytes.zeros(3 * 4096, arena=arena)) == 3 * 4096


def test_fits_counts_down():
    """Room shrinks by what is made and grows by what is wiped."""
    with Arena(max_bytes=10 * 4096) as arena:
        assert arena.fits(32) == 1020
        secret = SecureBytes.zeros(32, arena=arena)
        assert arena.fits(32) == 1019
        assert arena.fits(8192) == 4
        del secret
        assert arena.fits(32) == 1020
        assert arena.fits(8192) == 5
        for size in (0, -5):
            with pytest.raises(securemem.exceptions.SizeError):
                arena.fits(size)


@pytest.mark.parametrize("size", [2**62, 2**63 - 1, 2**64 - 1, 2**64, 2**100])
def test_nothing_that_large_fits(size):
    """Of sizes past what can be mapped none fits, however the arithmetic of pages would wrap."""
    with Arena(max_bytes=1 << 20) as arena:
        assert arena.fits(4096) > 0
        assert arena.fits(size) == 0
    assert securemem.fits(size) == 0


@pytest.mark.parametrize("size", [3.7, "12", None, b"1"])
def test_fits_takes_integers(size):
    """What is no integer is a TypeError, not rounded or parsed."""
    with Arena() as arena, pytest.raises(TypeError):
        arena.fits(size)
    with pytest.raises(TypeError):
        securemem.fits(size)


def test_closed_arena_refuses():
    """A closed arena has wiped its secrets and makes no new ones."""
    arena = Arena()
    secrets = [SecureBytes.random(size, arena=arena) for size in (32, 32, 5000)]
    view = memoryview(secrets[1])
    assert arena.close() == 1
    assert all(secret.wiped for secret in secrets)
    with pytest.raises(securemem.exceptions.ArenaClosedError):
        SecureBytes.zeros(1, arena=arena)
    view.release()
    assert arena.close() == 0
    del secrets
    assert arena.statistics().page_bytes == 0


def test_secrets_outlive_the_name_of_their_arena():
    """An arena without a name lives until its last secret ends, and then gives its pages back."""
    gc.collect()  # arenas that other tests left in cycles
    before = securemem.statistics().page_bytes
    secret = SecureBytes.copy_of(b"password", arena=Arena())
    gc.collect()
    assert secret == b"password"
    assert secret[:4] == b"pass"
    del secret
    assert securemem.statistics().page_bytes == before


def test_configure_before_first_use():
    """The default arena follows configure(), which comes too late after the first secret."""
    program = """
import securemem
securemem.configure(at_rest="readwrite", max_bytes=4096)
secret = securemem.SecureBytes.random(32)
print(secret.protection.closed)
try:
    securemem.configure(at_rest="noaccess")
except securemem.exceptions.ConfigurationError as error:
    print("late" if "before the first secret" in str(error) else error)
try:
    securemem.SecureBytes.zeros(5000)
except securemem.exceptions.ArenaFullError:
    print("bounded")
print(secret.protection.closed)
"""
    assert in_new_process(program).split() == ["False", "late", "bounded", "False"]


def test_failed_configuration_changes_nothing():
    """A configure() that was refused leaves the defaults."""
    program = """
import securemem
try:
    securemem.configure(at_rest="readwrite", max_bytes=1)
except securemem.exceptions.InvalidArgumentError:
    print(securemem.SecureBytes.random(32).protection.closed)
"""
    assert in_new_process(program).split() == ["True"]


def test_import_is_quiet():
    """Importing makes no pages, no threads, no handlers, and does not import cryptography."""
    program = """
import signal, sys, threading
before = [signal.getsignal(number) for number in (signal.SIGSEGV, signal.SIGTERM)]
import securemem
print(threading.active_count(), securemem.statistics().page_bytes, "cryptography" in sys.modules,
      before == [signal.getsignal(number) for number in (signal.SIGSEGV, signal.SIGTERM)])
"""
    assert in_new_process(program).split() == ["1", "0", "False", "True"]
