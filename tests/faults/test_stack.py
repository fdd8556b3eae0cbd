"""The bounds of a thread's stack, which clearing it needs, where the C library cannot tell them."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support import ROOT
from tests.support.programs import run

WITHOUT_DESCRIPTORS = """
import os, resource
from securemem._binding.memory import scrub
from securemem._binding.process import stack_bounds
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
try:
    while True:
        os.dup(1)
except OSError:
    pass
try:
    os.stat("/proc/self/maps") and os.open("/proc/self/maps", os.O_RDONLY)
except OSError as error:
    assert error.errno == 24, error  # the control: what would be asked now is not to be had
else:
    raise AssertionError("a descriptor is left")
assert scrub(65536) == 65536
assert stack_bounds() == "known"
"""

WITHOUT_PROC = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x20000) or libc.mount(b"none", b"/", None, (1 << 18) | (1 << 14), None):
    print("not permitted")
    raise SystemExit
assert libc.mount(b"none", b"/proc", b"tmpfs", 0, None) == 0
assert not os.path.exists("/proc/self")
from securemem._binding.memory import scrub
from securemem._binding.process import stack_bounds
assert scrub(65536) == 65536
print(stack_bounds())
"""

ESTIMATED = """
import re, resource, threading
from pathlib import Path
from securemem import exceptions, locking
from securemem._binding.memory import scrub
from securemem._binding.process import stack_bounds
assert stack_bounds() == "estimated"
assert scrub(65536) == 65536
limit, _ = resource.getrlimit(resource.RLIMIT_STACK)
room = min(limit, 8 << 20) if limit != resource.RLIM_INFINITY else 8 << 20
locking.reserve_stack(room - (1 << 20))  # what is said to be there is there: it is written to
start, end = re.search(r"(\\w+)-(\\w+) .*\\[stack\\]", Path("/proc/self/maps").read_text()).groups()
assert int(end, 16) - int(start, 16) >= room - (1 << 20)
try:
    locking.reserve_stack(room)
except exceptions.StackLimitError:
    pass
else:
    raise AssertionError("more than there is")
seen = []
thread = threading.Thread(target=lambda: seen.append((stack_bounds(), scrub(65536))))
thread.start()
thread.join()
assert seen == [("unknown", 0)], seen  # no guess at another thread's stack
"""


def test_without_descriptors():
    """The bounds are asked for at the import; later no descriptor is needed."""
    run(WITHOUT_DESCRIPTORS)


def test_without_proc():
    """Imported where there is no /proc, the main thread's bounds are estimated, and its stack is cleared."""
    said = run(WITHOUT_PROC)
    if said == "not permitted\n":
        pytest.skip("an own mount namespace is not permitted here")
    assert said in {"estimated\n", "known\n"}  # musl finds them without /proc


def test_an_estimate_holds(tmp_path):
    """All of an estimated stack is there; a thread whose bounds nobody tells is left alone."""
    library = tmp_path / "no_stack.so"
    source = ROOT / "tests/faults/no_stack.c"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    run(ESTIMATED, environment={**os.environ, "LD_PRELOAD": str(library)})
