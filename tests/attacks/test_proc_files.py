"""The other files of /proc/PID: environ, cmdline, fd, map_files, stack and the rest tell nothing of a secret."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.waiting import until

# An everyday program keeps its control where these files show it; ours takes the key in by the same ways.
HOLD = """
import mmap
def write_file(secret, name):
    descriptor = os.memfd_create(name)
    with memoryview(secret) as view: os.write(descriptor, view)
    return descriptor
key = SecureBytes.random(32)
control = fill(bytearray(32))
tell(key); tell(control)
kept = write_file(control, "control")
shared = mmap.mmap(-1, 4096)
shared[:32] = control
with key.reveal() as view: digest = __import__("hashlib").sha256(view).digest()
stand_still()
"""
TEXTS = ("environ", "cmdline", "comm", "status", "stat", "maps", "smaps", "syscall", "stack", "wchan", "auxv", "limits")


def _contents(pid, folder):
    """What can be read of the files in a folder of /proc/PID, up to a megabyte of each."""
    for path in Path(f"/proc/{pid}/{folder}").iterdir():
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                yield os.pread(descriptor, 1 << 20, 0)
            finally:
                os.close(descriptor)


def _once_there(path):
    """What a file of a process says, once its execve(2) is over: until then it is empty."""
    until(path.read_bytes)
    return path.read_bytes()


def _found(needles, data):
    return sum(one.pattern in data for one in needles)


@pytest.mark.parametrize("name", TEXTS)
def test_texts_tell_nothing(prey, name):
    """No form of the key is in it, nor of the control; that the file says something is the control here."""
    attacked = prey(HOLD)
    attacked.learn()
    attacked.wait()
    try:
        data = Path(f"/proc/{attacked.pid}/{name}").read_bytes()
    except OSError as error:
        pytest.skip(f"/proc/PID/{name} cannot be read here: {error.strerror}")
    assert data
    assert _found(attacked.key, data) == 0


def test_environment_and_command_line_would_show_it(prey):
    """The control of the texts: what was set in the environment or is an argument is there for every reader."""
    attacked = prey("""
import subprocess
key, control = SecureBytes.random(32), bytes(fill(bytearray(32)))
tell(key); tell(control)
child = subprocess.Popen(["sleep", "60"], env={"TOKEN": control.hex()}, stdin=subprocess.DEVNULL)
again = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", control.hex()])
stand_still(f"{child.pid} {again.pid}"); child.kill(); again.kill(); stand_still()
""")
    attacked.learn()
    pids = attacked.wait().split()
    shown = [_once_there(Path(f"/proc/{pid}/{name}")) for pid, name in zip(pids, ("environ", "cmdline"), strict=True)]
    attacked.next()
    for data in shown:
        assert _found(attacked.control, data) >= 1
        assert _found(attacked.key, data) == 0


def test_open_files_and_mapped_files_hold_none(prey):
    """Fd and map_files: no descriptor and no mapped file gives the key; a file in memory gives the control."""
    attacked = prey(HOLD)
    attacked.learn()
    attacked.wait()
    for folder, controls in (("fd", 1), ("map_files", 0)):
        try:
            contents = list(_contents(attacked.pid, folder))
        except OSError as error:
            pytest.skip(f"/proc/PID/{folder} cannot be read here: {error.strerror}")
        assert sum(_found(attacked.key, data) for data in contents) == 0
        assert sum(_found(attacked.control, data) > 0 for data in contents) >= controls


def test_no_descriptor_leads_to_a_secret(prey):
    """pidfd_getfd: no descriptor, taken over, holds the key; that of a kept memory file holds the control."""
    attacked = prey(HOLD)
    attacked.learn()
    attacked.wait()
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(attacked.pid)
    seen = []
    for path in Path(f"/proc/{attacked.pid}/fd").iterdir():
        taken = libc.syscall(438, process, int(path.name), 0)  # pidfd_getfd
        if taken < 0:
            if ctypes.get_errno() == 1:
                pytest.skip("pidfd_getfd is forbidden here")
            continue
        with suppress(OSError):
            seen.append(os.pread(taken, 1 << 16, 0))
        os.close(taken)
    os.close(process)
    assert sum(_found(attacked.control, data) > 0 for data in seen) == 1
    assert sum(_found(attacked.key, data) for data in seen) == 0
