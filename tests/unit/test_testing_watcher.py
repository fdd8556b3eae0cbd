"""A process is watched from another one: what it holds, and what it let go."""

from __future__ import annotations

import subprocess
import sys

import pytest

from securemem import Arena, SecureBytes
from securemem.exceptions import ScanRefusedError
from securemem.testing import Watcher, assert_no_copies
from tests.support.ordinary_user import run_as_ordinary_user
from tests.support.programs import environment


def test_a_secret_alone_in_its_slot_passes():
    """It is found once, in locked memory."""
    report = assert_no_copies(SecureBytes.random(32))
    assert (report.locked, report.unlocked) == (1, 0)
    assert report.scanned > 1 << 20


def test_a_copy_fails_and_is_told():
    """The control: a bytes object is found, and the message has its place and no byte of it."""
    secret = SecureBytes.random(32)
    copy = bytes(memoryview(secret))
    with pytest.raises(AssertionError, match="1 copies outside locked memory, 1 in it\n  raw in ") as caught:
        assert_no_copies(secret)
    assert copy.hex() not in str(caught.value)
    assert assert_no_copies(secret, allowed=1).unlocked == 1


@pytest.mark.parametrize("form", ["copy.hex()", "copy[::-1]", "b64encode(b'user:' + copy)", "copy[8:24]"])
def test_other_forms_fail_too(form):
    """Hex, reversed, base64, a part."""
    code = f"""
from base64 import b64encode
from securemem import SecureBytes, scrub
from securemem.testing import assert_no_copies
secret = SecureBytes.random(32)
copy = bytes(memoryview(secret))
kept = {form}
assert_no_copies(secret, allowed=0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 1
    assert "copies outside locked memory" in done.stderr
    assert int(done.stderr.partition("AssertionError: ")[2].split()[0]) >= 2  # the copy, and its other form


def test_locked_twice_fails():
    """A second copy in locked memory is one too many."""
    secret = SecureBytes.random(32)
    second = SecureBytes.copy_of(secret)
    with pytest.raises(AssertionError, match="0 copies outside locked memory, 2 in it"):
        assert_no_copies(secret)
    second.wipe()
    assert_no_copies(secret)


def test_after_release_nothing_is_left():
    """What the watcher made goes into a slot, and is gone after wipe(); a control beside it is found to the end."""
    with Watcher() as watcher, Watcher() as other:
        secret = watcher.make()
        control = other.make()
        kept = bytearray(memoryview(control))
        assert (watcher.scan().locked, watcher.scan().unlocked) == (1, 0)
        secret.wipe()
        assert watcher.scan().count == 0
        control.wipe()
        assert other.scan().unlocked == 1
        assert len(kept) == 32


def test_large_secrets_and_secret_memory():
    """More than a pipe holds; and pages that the kernel gives to nobody, which are counted as not given."""
    secret = SecureBytes.random(300_000)
    assert (assert_no_copies(secret).locked, len(secret)) == (1, 300_000)
    try:
        hidden = SecureBytes.random(32, arena=Arena(backend="memfd_secret"))
    except OSError as error:
        pytest.skip(str(error))
    report = assert_no_copies(hidden)
    assert (report.count, report.unreadable > 0) == (0, True)


@pytest.mark.parametrize("wrong", [b"x" * 32, bytearray(32), "text"])
def test_only_a_secure_bytes_can_be_watched(wrong):
    """Anything else is itself the copy."""
    with pytest.raises(TypeError, match="SecureBytes"):
        assert_no_copies(wrong)


def test_secrets_that_are_found_anywhere_are_refused():
    """Too short, too regular: ValueError; the watcher goes on."""
    with Watcher() as watcher:
        for wrong in (SecureBytes.random(7), SecureBytes.zeros(32)):
            with pytest.raises(ValueError, match="8 bytes or more"):
                watcher.learn(wrong)
            with pytest.raises(ValueError, match="at least one needle"):
                watcher.scan()
        watcher.learn(SecureBytes.random(32))
        assert watcher.scan().count >= 0


def test_processes_that_are_gone():
    """No such process is ProcessLookupError; a watcher that was ended says so."""
    with Watcher() as watcher:
        secret = watcher.make()
        with pytest.raises(ProcessLookupError):
            watcher.scan(2**22 + 1)
        watcher.close()
        with pytest.raises(RuntimeError, match="has ended"):
            watcher.scan()
        assert not secret.wiped


ORDINARY = """
import ctypes, sys
from securemem import SecureBytes
from securemem.exceptions import ScanRefusedError
from securemem.testing import assert_no_copies
ctypes.CDLL(None).prctl(4, int(sys.argv[1]), 0, 0, 0)  # PR_SET_DUMPABLE
try:
    assert assert_no_copies(SecureBytes.random(32)).locked == 1
    print("clean")
except ScanRefusedError as error:
    print("refused:", error)
"""


def test_works_unprivileged_and_says_when_it_cannot():
    """An ordinary user's process is scanned; one that is not dumpable is not, with a typed error that says why."""
    done = run_as_ordinary_user("-c", ORDINARY, "1")
    if done.stdout.startswith("refused"):
        pytest.skip(f"the system does not allow it: {done.stdout}")
    assert done.stdout == "clean\n", done.stderr
    refused = run_as_ordinary_user("-c", ORDINARY, "0")
    assert refused.stdout.startswith("refused: "), refused.stderr
    assert "PR_SET_DUMPABLE" in refused.stdout
    assert issubclass(ScanRefusedError, PermissionError)
