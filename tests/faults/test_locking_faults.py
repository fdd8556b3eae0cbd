"""Error numbers of the mlock family that no machine gives on demand, by a preloaded library (lock_calls.c).

EAGAIN needs a machine out of memory (one for real: test_cgroups.py), EINTR a dying process, ENOSYS an old kernel. The
others are real, in tests/unit/test_locking_limits.py.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import ctypes, mmap, os, sys
import securemem
from securemem import exceptions, locking
PAGE = mmap.PAGESIZE
SWITCH = os.environ["FAILING_SWITCH"]
def failing(kind, call):
    open(SWITCH, "w").close()
    try:
        call()
    except kind as error:
        assert type(error) is kind, repr(error)
        assert error.errno == int(os.environ["FAILING_ERROR"])
        return error
    finally:
        os.unlink(SWITCH)
    raise AssertionError(f"no {kind.__name__}")
memory = mmap.mmap(-1, 4 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory[:] = b"x" * len(memory)
kept = locking.mlock(memoryview(memory)[:PAGE])
secret = securemem.SecureBytes.random(32)
held = locking.locked_bytes()
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The library, compiled."""
    target = tmp_path_factory.mktemp("preload") / "lock_calls.so"
    source = Path(__file__).with_name("lock_calls.c")
    subprocess.run(
        ["gcc", "-D_GNU_SOURCE", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(target), str(source)], check=True
    )
    return target


@pytest.fixture
def fails(library, tmp_path):
    """Run the program with one call failing by one errno while the switch is on."""

    def run(call, error, code):
        environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "FAILING_CALL": call,
            "FAILING_ERROR": str(error),
            "FAILING_SWITCH": str(tmp_path / "switch"),
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM + code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run


def test_switch_off_changes_nothing(fails):
    """The control: with the library loaded and the switch off, every call is the kernel's."""
    fails(
        "mlock",
        errno.EAGAIN,
        "with locking.mlock(memory): assert locking.is_locked(memory)\n"
        "assert locking.locked_bytes() == held and securemem.locking.verify_locks().intact",
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errno.EAGAIN, "LockPopulateError"),
        (errno.EINTR, "LockInterruptedError"),
        (errno.ENOSYS, "LockUnsupportedError"),
        (errno.EINVAL, "LockRangeError"),
        (errno.EACCES, "LockError"),
    ],
)
@pytest.mark.parametrize(("call", "on_fault"), [("mlock", False), ("mlock2", True)])
def test_mlock_errors_have_their_types(fails, error, kind, call, on_fault):
    """Each errno is its exception, with a message that names call and errno; nothing stays locked or counted."""
    fails(
        call,
        error,
        f"""
error = failing(exceptions.{kind}, lambda: locking.mlock(memory, on_fault={on_fault}))
assert "{call}: {errno.errorcode[error]}" in str(error) and isinstance(error, exceptions.LockError)
assert locking.locked_bytes() == held and locking.is_locked(memoryview(memory)[:PAGE])
kept.unlock()
assert not locking.is_locked(memoryview(memory)[:PAGE])
""",
    )


def test_interrupted_is_an_interrupted_error(fails):
    """EINTR can be caught as Python's own InterruptedError."""
    fails(
        "mlock",
        errno.EINTR,
        "assert isinstance(failing(exceptions.LockInterruptedError, lambda: locking.mlock(memory)), InterruptedError)",
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [(errno.ENOSYS, "LockUnsupportedError"), (errno.EAGAIN, "LockPopulateError"), (errno.EINVAL, "LockRangeError")],
)
def test_mlockall_errors_have_their_types(fails, error, kind):
    """The same for mlockall; a failed one is not in force: unlock() unlocks."""
    fails(
        "mlockall",
        error,
        f"""
failing(exceptions.{kind}, locking.mlockall)
assert locking.locked_bytes() == held
kept.unlock()
assert not locking.is_locked(memoryview(memory)[:PAGE])
""",
    )


def test_munlock_refused_keeps_the_pages_locked(fails):
    """A munlock that the kernel refuses is an error; the pages stay locked, and munlockall() unlocks them later."""
    fails(
        "munlock",
        errno.EAGAIN,
        """
failing(exceptions.LockPopulateError, kept.unlock)
assert not kept.held and locking.is_locked(memoryview(memory)[:PAGE])
kept.unlock()
assert locking.munlockall().unlocked_bytes == PAGE and secret.protection.locked
""",
    )


def test_munlockall_goes_on_after_a_refusal(fails):
    """Refused munlocks inside munlockall() are an error; nothing of ours was unlocked, and it can be called again."""
    fails(
        "munlock",
        errno.EAGAIN,
        """
locking.mlockall(future=True)
failing(exceptions.LockPopulateError, locking.munlockall)
assert secret.protection.locked and locking.is_locked(memoryview(memory)[:PAGE])
locking.munlockall()
assert locking.locked_bytes() == held and not locking.is_locked(bytearray(1 << 20))
""",
    )


def test_bare_munlockall_is_never_called_without_a_gap(fails):
    """munlockall() works where the kernel's munlockall would fail: it does not call it."""
    fails(
        "munlockall",
        errno.EAGAIN,
        """
locking.mlockall(future=True)
open(SWITCH, "w").close()
assert locking.munlockall().gap_bytes == 0 and locking.locked_bytes() == held
""",
    )


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.ENOMEM])
def test_verify_that_cannot_lock_again_says_so(fails, error):
    """verify_locks() whose mlock fails is LockLostError with the bytes; once it works, the same call repairs."""
    fails(
        "mlock",
        error,
        """
libc = ctypes.CDLL(None)
libc.munlockall()
lost = failing(exceptions.LockLostError, securemem.locking.verify_locks)
assert lost.unlocked == held
found = securemem.locking.verify_locks()
assert found.repaired_secret_bytes + found.repaired_lock_bytes == held == locking.locked_bytes()
assert secret.protection.locked and secret.protection.closed
""",
    )
