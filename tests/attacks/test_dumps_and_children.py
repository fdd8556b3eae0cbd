"""Secrets do not reach a forked child nor a core dump; the control, held beside them, does."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from securemem.scanning import scan_file, scan_process

HOLD = """
key = {make}
control = fill(bytearray({size}))
tell(key); tell(control)
"""
MAKERS = {
    "32 bytes": ("SecureBytes.random(32)", 32),
    "open arena": ("SecureBytes.random(32, arena=Arena(at_rest='readwrite'))", 32),
    "64 KiB": ("SecureBytes.random(65536)", 65536),
    "taken": ("SecureBytes.take(fill(bytearray(32)))", 32),
}
every_maker = pytest.mark.parametrize(("make", "size"), MAKERS.values(), ids=MAKERS)


@every_maker
def test_forked_child_does_not_have_the_key(prey, make, size):
    """A child has the control and no copy of the key, at the fork and with a view that the parent left open."""
    attacked = prey(
        HOLD.format(make=make, size=size)
        + """
view = memoryview(key)
stand_still()
child = os.fork()
if child == 0:
    stand_still(os.getpid())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
stand_still("parent")
"""
    )
    attacked.learn(size)
    attacked.wait()
    child = int(attacked.next())
    assert attacked.scan(child) == ((0, 0), (0, 1))
    assert attacked.scan() == ((1, 0), (0, 1))
    assert attacked.next() == "parent"


def test_childs_own_secret_is_as_protected_as_the_parents(prey):
    """What a child makes is found once in its locked memory, and not in its parent."""
    attacked = prey("""
first = SecureBytes.random(32)
child = os.fork()
if child == 0:
    key = SecureBytes.random(32)
    control = fill(bytearray(32))
    tell(key); tell(control); stand_still(os.getpid())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""")
    attacked.learn()
    child = int(attacked.wait())
    assert attacked.scan(child) == ((1, 0), (0, 1))
    assert scan_process(attacked.pid, attacked.key).where == ()


def _core_of(attacked, directory):
    """Wait for the death of a process, and return its core."""
    attacked.go_on()
    attacked.process.wait()
    cores = list(directory.glob("core*"))
    assert len(cores) == 1
    return cores[0]


@pytest.fixture
def needs_cores():
    """Skip where the kernel does not write cores into the working directory."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii").strip()
    if not pattern.startswith("core") or "/" in pattern:
        pytest.skip(f"the kernel gives cores to somebody else: core_pattern is {pattern!r}")
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY and os.geteuid() != 0:
        pytest.skip("the hard limit of RLIMIT_CORE forbids whole cores")


DIE = """
import resource
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
stand_still()
{before}
os.kill(os.getpid(), signal.{name})
"""


@pytest.mark.usefixtures("needs_cores")
@pytest.mark.parametrize("name", ["SIGABRT", "SIGSEGV"])
@every_maker
def test_core_does_not_have_the_key(prey, tmp_path, make, size, name):
    """A core that the kernel writes holds the control once, and nothing of the key."""
    attacked = prey(HOLD.format(make=make, size=size) + DIE.format(before="", name=name))
    attacked.learn(size)
    attacked.wait()
    core = _core_of(attacked, tmp_path)
    assert attacked.search(core) == ((0, 0), (0, 1))
    core.unlink()


LAST_ACTS = {
    "a view is open": "view = memoryview(key)",
    "revealed": "shown = key.reveal(writable=True); view = shown.__enter__()",
    "compared": "assert key != control",
    "taken at the end": "other = SecureBytes.take(key.reveal(writable=True).__enter__())",
    "sliced": "part = key[::]",
    "AES-GCM, dropped and scrubbed": """
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
AESGCM(memoryview(key)).encrypt(bytes(12), b"plaintext", None); binding.scrub(65536)
""",
}


@pytest.mark.usefixtures("needs_cores")
@pytest.mark.parametrize("act", LAST_ACTS.values(), ids=LAST_ACTS)
def test_core_after_use_has_the_key_neither_in_memory_nor_in_registers(prey, tmp_path, act):
    """A core holds the registers of every thread too: what was done last before the death leaves nothing there."""
    attacked = prey(HOLD.format(make="SecureBytes.random(32)", size=32) + DIE.format(before=act, name="SIGABRT"))
    attacked.learn()
    attacked.wait()
    core = _core_of(attacked, tmp_path)
    assert attacked.search(core) == ((0, 0), (0, 1))
    core.unlink()


@pytest.mark.usefixtures("needs_cores")
def test_core_has_a_live_cipher(prey, tmp_path):
    """The control of the last acts: a cipher that is not dropped is in the core, with its round keys."""
    attacked = prey(
        HOLD.format(make="SecureBytes.random(32)", size=32)
        + "from cryptography.hazmat.primitives.ciphers.aead import AESGCM\ncipher = AESGCM(memoryview(key))"
        + DIE.format(before="", name="SIGABRT")
    )
    attacked.learn()
    attacked.wait()
    core = _core_of(attacked, tmp_path)
    forms = {place.form for place in scan_file(core, attacked.key).where}
    assert {"raw", "AES round key"} <= forms
    core.unlink()
