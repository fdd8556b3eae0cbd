"""gdb and gcore: what a debugger writes out of a process, with its wish not to be dumped heeded and ignored."""

from __future__ import annotations

import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed")

HOLD = """
key = SecureBytes.random(32, arena=Arena(at_rest="{at_rest}"))
control = fill(bytearray(32))
tell(key); tell(control); stand_still()
key.wipe(); stand_still()
"""


def core_of(pid, directory, *settings):
    """The core that gdb makes of a living process, which goes on."""
    path = directory / f"core.{len(list(directory.iterdir()))}"
    commands = [*settings, f"generate-core-file {path}", "detach"]
    given = [word for command in commands for word in ("-ex", command)]
    done = subprocess.run(
        ["gdb", "-nx", "-batch", "-p", str(pid), *given], capture_output=True, text=True, check=False, timeout=120
    )
    assert path.exists(), done.stdout + done.stderr
    return path


@pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])
def test_gcore_has_no_copy(prey, tmp_path, at_rest):
    """As gcore does it, pages that are not to be dumped are left out: no key, in any form; the control is there."""
    attacked = prey(HOLD.format(at_rest=at_rest))
    attacked.learn()
    attacked.wait()
    core = core_of(attacked.pid, tmp_path)
    assert attacked.search(core) == ((0, 0), (0, 1))


@pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])
def test_a_debugger_that_ignores_the_wish_finds_one_copy_while_it_is_held(prey, tmp_path, at_rest):
    """What SECURITY.md says: a debugger sees the one copy while it is held, and nothing after release."""
    attacked = prey(HOLD.format(at_rest=at_rest))
    attacked.learn()
    attacked.wait()
    ignoring = ("set dump-excluded-mappings on", "set use-coredump-filter off")
    held = core_of(attacked.pid, tmp_path, *ignoring)
    assert attacked.search(held) == ((0, 1), (0, 1))
    attacked.next()
    released = core_of(attacked.pid, tmp_path, *ignoring)
    assert attacked.search(released) == ((0, 0), (0, 1))


def test_a_debugger_that_runs_code_in_the_process_reads_the_key(prey, tmp_path):
    """The control: not protected, as SECURITY.md says: whoever has the rights of the process reads what it reads."""
    attacked = prey("""
import ctypes
key = SecureBytes.random(32, arena=Arena(at_rest="readwrite"))
control = fill(bytearray(32))
tell(key); tell(control)
with key.reveal(writable=True) as view:
    address = ctypes.addressof(ctypes.c_char.from_buffer(view))
    stand_still(str(address))
""")
    attacked.learn()
    address = int(attacked.wait())
    path = tmp_path / "memory"
    command = f"dump binary memory {path} {address} {address + 32}"
    subprocess.run(
        ["gdb", "-nx", "-batch", "-p", str(attacked.pid), "-ex", command],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert attacked.search(path).key == (0, 1)
