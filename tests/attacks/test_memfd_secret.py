"""Secret memory against root: nothing to read from outside, in a debugger's core, after exec, or by stealing the file.

Each attack runs on an mlock'ed key or on a kept file descriptor too, where it succeeds.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess

import pytest

import securemem
from securemem import Arena, SecureBytes

SYS_pidfd_open = 434
SYS_pidfd_getfd = 438
MAKE = """
key = SecureBytes.random(32, arena=Arena(backend="{backend}", at_rest="{at_rest}"))
control = fill(bytearray(32))
tell(key); tell(control)
"""


@pytest.fixture(autouse=True)
def _secret_memory():
    try:
        SecureBytes.zeros(1, arena=Arena(backend="memfd_secret"))
    except securemem.exceptions.BackendUnavailableError as error:
        pytest.skip(f"this kernel has no secret memory: {error}")


@pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])
@pytest.mark.parametrize(("backend", "seen"), [("memfd_secret", (0, 0)), ("mlock", (1, 0))])
def test_a_held_key_is_not_to_be_read_from_outside(prey, backend, at_rest, seen):
    """A reader of /proc/PID/mem with every right finds no copy in secret memory, held or released."""
    attacked = prey(MAKE.format(backend=backend, at_rest=at_rest) + "stand_still()\nkey.wipe(); stand_still()")
    attacked.learn()
    attacked.wait()
    assert attacked.scan() == (seen, (0, 1))
    attacked.next()
    assert attacked.scan() == ((0, 0), (0, 1))


@pytest.mark.parametrize(("backend", "seen"), [("memfd_secret", False), ("mlock", True)])
def test_a_view_open_to_the_process_is_closed_to_others(prey, backend, seen):
    """While the process itself reads the key, others read nothing."""
    attacked = prey(MAKE.format(backend=backend, at_rest="noaccess") + "view = memoryview(key); stand_still()")
    attacked.learn()
    attacked.wait()
    assert (attacked.scan().key == (1, 0)) == seen


@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed")
@pytest.mark.parametrize(("backend", "seen"), [("memfd_secret", 0), ("mlock", 1)])
def test_a_debuggers_core_has_no_copy(prey, tmp_path, backend, seen):
    """A debugger, told to ignore the wish not to be dumped, writes the key from mlocked memory, and else none."""
    attacked = prey(MAKE.format(backend=backend, at_rest="readwrite") + "stand_still()")
    attacked.learn()
    attacked.wait()
    core = tmp_path / "debuggers"
    command = ["gdb", "-p", str(attacked.pid), "-batch", "-nx", "-ex", "set dump-excluded-mappings on"]
    command += ["-ex", "set use-coredump-filter off", "-ex", f"generate-core-file {core}", "-ex", "detach"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    found = attacked.search(core)
    core.unlink()
    assert sum(found.key) == seen
    assert sum(found.control) >= 1


def test_nothing_is_left_after_exec(prey):
    """The program that the process becomes has neither the key nor a file to map it from."""
    attacked = prey(
        MAKE.format(backend="memfd_secret", at_rest="readwrite")
        + """
stand_still()
from tests.support.prey_child import GO_ON, SAY
os.execv(sys.executable, [sys.executable, "-c", "import os; os.write(%d, b'new'); os.read(%d, 1)" % (SAY, GO_ON)])
"""
    )
    attacked.learn()
    attacked.wait()
    assert attacked.next() == "new"
    assert attacked.scan() == ((0, 0), (0, 0))
    assert "secretmem" not in maps_and_files(attacked.pid)


def maps_and_files(pid):
    """The names of all that a process has mapped or open."""
    names = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH115, PTH208 - /proc's links lead nowhere
    with open(f"/proc/{pid}/maps") as maps:  # noqa: PTH123 - a stream of lines
        return "\n".join([*names, *maps])


def stolen(pid):
    """What a process's descriptors are, taken over by pidfd_getfd: the names of those that are secret memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = libc.syscall(SYS_pidfd_open, pid, 0)
    assert process >= 0
    names = []
    for number in map(int, os.listdir(f"/proc/{pid}/fd")):  # noqa: PTH208 - names are what is wanted
        taken = libc.syscall(SYS_pidfd_getfd, process, number, 0)
        if taken >= 0:
            names.append(os.readlink(f"/proc/self/fd/{taken}"))  # noqa: PTH115 - /proc's links lead nowhere
            os.close(taken)
    os.close(process)
    return [name for name in names if "secretmem" in name]


KEEP = """
import ctypes
kept = ctypes.CDLL(None).syscall(447, 0)  # memfd_secret, the same number on every architecture
assert kept >= 0
os.ftruncate(kept, 4096)
"""


@pytest.mark.parametrize(("keep", "count"), [("", 0), (KEEP, 1)], ids=["ours", "kept open"])
def test_no_descriptor_can_be_stolen(prey, keep, count):
    """pidfd_getfd finds no file of secret memory in a process with a held key; one kept open, it does."""
    attacked = prey(MAKE.format(backend="memfd_secret", at_rest="noaccess") + keep + "stand_still()")
    attacked.learn()
    attacked.wait()
    assert len(stolen(attacked.pid)) == count
    assert "secretmem" in maps_and_files(attacked.pid)


def test_a_forked_child_has_no_copy(prey):
    """A shared mapping would go to children: it does not, while the control does."""
    attacked = prey(
        MAKE.format(backend="memfd_secret", at_rest="readwrite")
        + """
child = os.fork()
if child == 0:
    stand_still("child")
    os._exit(0)
stand_still(str(child))
"""
    )
    attacked.learn()
    words = set(attacked.wait().split())
    while len(words) < 2:
        words |= set(attacked.wait().split())
    (child,) = [int(word) for word in words if word.isdigit()]
    assert attacked.scan(child) == ((0, 0), (0, 1))
    assert "secretmem" not in maps_and_files(child)
    os.kill(child, 9)
