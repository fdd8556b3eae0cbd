"""The system calls that a secret costs, counted by strace from outside, between two marks that the child makes.

The mark is getppid, which nothing else here calls; everything is traced, so that no call can hide.
"""

from __future__ import annotations

import collections
import errno
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

PRELUDE = """
import gc, mmap, os
from securemem import Arena, SecureBytes

gc.disable()
gc.freeze()
mark = os.getppid
source, large = b"\\xa5" * 32, b"\\xa5" * 65536
arena, opened = Arena(), Arena(at_rest="readwrite")
neighbour = SecureBytes.copy_of(source, arena=arena)  # the class has its pages

def create():
    return SecureBytes.zeros(32, arena=arena)

def life():
    secret = SecureBytes.zeros(32, arena=arena)
    with secret.reveal(writable=True) as view:
        view[:] = source

def copied():
    SecureBytes.copy_of(source, arena=arena)

def large_open():
    SecureBytes.copy_of(large, arena=opened)

def large_closed():
    SecureBytes.copy_of(large, arena=arena)

def known():
    with mmap.mmap(-1, 4096):
        pass
"""


def _strace_works() -> str:
    """Empty, or why not."""
    if shutil.which("strace") is None:
        return "strace is not installed (Debian: strace)"
    trial = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    return "" if trial.returncode == 0 else f"strace may not trace here: {trial.stderr.strip()}"


WHY_NOT = _strace_works()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "strace works")


@pytest.fixture
def calls(tmp_path):
    """Count the system calls of a few lines in a child, all of its warm-up lines run before."""

    def count(lines: str, warm_up: str = "") -> collections.Counter[str]:
        program = f"{PRELUDE}\n{textwrap.dedent(warm_up)}\nmark()\n{textwrap.dedent(lines)}\nmark()\n"
        log = tmp_path / "strace.log"
        command = ["strace", "-qq", "-o", str(log), sys.executable, "-c", program]
        subprocess.run(command, check=True, timeout=120)
        names = re.findall(r"^(\w+)\(", log.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        first, last = (at for at, name in enumerate(names) if name == "getppid")
        return collections.Counter(names[first + 1 : last])

    return count


def test_strace_sees_what_is_called(calls):
    """The control: a known mapping, its unmapping, and three calls in a row are counted as such."""
    found = calls("known()\nfor _ in range(3): os.getpgrp()", warm_up="known(); os.getpgrp()")
    assert found["mmap"] == 1
    assert found["munmap"] == 1
    assert found["getpgrp"] == 3


def test_strace_sees_the_first_secret_of_an_arena(calls):
    """The control: an arena's first page is reserved, advised, opened, locked, populated and closed again."""
    found = calls("kept = SecureBytes.zeros(32, arena=fresh)", warm_up="fresh = Arena()")
    assert found["mmap"] == 1
    assert found["mlock2"] == 1
    assert found["madvise"] == 4 + 1
    assert found["mprotect"] == 2


def test_create_alone_makes_no_system_call(calls):
    """A free slot is zero already, so making a secret opens no page; nor does dropping one never written."""
    assert not calls("secret = create()", warm_up="kept = create(); create(); create()")
    assert not calls("del secret", warm_up="create(); secret = create()")


@pytest.mark.parametrize("work", ["life", "copied"])
def test_a_whole_life_beside_another_costs_four_mprotects(calls, work):
    """Create, one write and release on a page with another: open and close for the write, the same for the wipe."""
    only_page = "arena = Arena(max_bytes=4096); neighbour = SecureBytes.copy_of(source, arena=arena)"
    found = calls(f"{work}()", warm_up=f"{only_page}; {work}(); {work}()")
    assert found == {"mprotect": 4}


def test_short_lives_get_pages_of_their_own_once(calls):
    """Beside a neighbour the second life has the class grow by two pages, and no later one does; then it costs two."""
    assert calls("copied()", warm_up="copied()")["mlock2"] == 2
    assert calls("copied()", warm_up="copied(); copied()") == {"mprotect": 2}


def test_lives_that_overlap_have_a_page_each(calls):
    """One secret after another in the same variable: each is shut once, and opened once for its wiping."""
    work = "secret = SecureBytes.copy_of(source, arena=arena)"
    warm_up = f"{work}; {work}; {work}"
    assert calls("\n".join([work] * 100), warm_up=warm_up) == {"mprotect": 200}


def test_no_page_is_spent_on_speed_where_little_may_be_locked(calls):
    """Where the pages come near an eighth of the limit, short lives share those that are there."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_MEMLOCK, (32768, 32768))"
    assert calls("copied()", warm_up=f"{limit}; copied(); copied()") == {"mprotect": 4}


def test_a_decryption_costs_four_mprotects(calls):
    """Key and plaintext are shut together, at the end; the plaintext before is opened for its wiping, and no more."""
    key = "from securemem.crypto.aead import Key; key = Key.generate('AES-256-GCM', arena=arena)"
    work = "plain = key.decrypt(box, arena=arena)"
    found = calls("\n".join([work] * 100), warm_up=f"{key}; box = key.encrypt(source); {work}; {work}; {work}")
    assert found == {"mprotect": 400}


def test_the_cost_is_the_same_for_each_of_many(calls):
    """A hundred lives beside a thousand secrets: four mprotects each, and nothing now and then."""
    found = calls("for _ in range(100): life()", warm_up="kept = [create() for _ in range(1000)]\nlife(); life()")
    assert found == {"mprotect": 400}


@pytest.mark.parametrize(
    ("work", "mprotects"),
    [
        ("SecureBytes.copy_of(source[:16], arena=arena)", 2),
        ("SecureBytes.take(bytearray(16), arena=arena)", 2),
        ("neighbour[:16]", 2 + 2),  # the secret that is sliced is opened and closed too
    ],
)
def test_a_whole_life_alone_costs_two_mprotects(calls, work, mprotects):
    """On a page without a secret the write opens nothing and the wipe shuts nothing: one closing, one opening."""
    assert calls(work, warm_up=f"{work}; {work}") == {"mprotect": mprotects}


def test_a_random_life_alone_costs_one_call_more(calls):
    """The random bytes come from getrandom, once, in the window that the making opened."""
    work = "SecureBytes.random(16, arena=arena)"
    assert calls(work, warm_up=f"{work}; {work}") == {"getrandom": 1, "mprotect": 2}


def test_short_lives_beside_many_get_a_page_to_themselves(calls):
    """A hundred lives beside a thousand secrets that stay: two mprotects each, since they share a page with none."""
    found = calls(
        "for _ in range(100): copied()",
        warm_up="kept = [SecureBytes.copy_of(source, arena=arena) for _ in range(1000)]\ncopied(); copied()",
    )
    assert found == {"mprotect": 200}


def test_one_open_window_serves_all_of_a_page(calls):
    """While a neighbour's window is open for writing, a life on that page asks the kernel for nothing."""
    found = calls("life()", warm_up="window = neighbour.reveal(True)\nview = window.__enter__()\nlife(); life()")
    assert not found


def test_a_large_secret_comes_from_the_cache(calls):
    """64 KiB again: no mmap; in a read-write arena no call at all, in a no-access one two mprotects."""
    assert not calls("large_open()", warm_up="large_open(); large_open()")
    assert calls("large_closed()", warm_up="large_closed(); large_closed()") == {"mprotect": 2}
    assert calls("large_open()")["mmap"] == 1  # the control: the first of its size is mapped


AT_THE_LIMIT = """
import os, resource
from securemem import Arena, LockLimitError, SecureBytes
from securemem.exceptions import BackendUnavailableError

resource.setrlimit(resource.RLIMIT_MEMLOCK, (16384, 16384))
if os.geteuid() == 0:
    os.setresuid(65534, 65534, 65534)
arena, kept = Arena(backend="memfd_secret"), []
try:
    while True:
        kept.append(SecureBytes.random(4000, arena=arena))
except LockLimitError:
    print(len(kept))
except BackendUnavailableError:
    print("none")
"""


def test_a_refused_mapping_leaves_no_hole(tmp_path):
    """Secret memory refused at the limit is never refused in place, where mmap would have unmapped what was there."""
    log = tmp_path / "strace.log"
    command = ["strace", "-qq", "-f", "-o", str(log), "-e", "trace=mmap,mremap", sys.executable, "-c", AT_THE_LIMIT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    if done.stdout == "none\n":
        pytest.skip("the kernel has no memfd_secret")
    assert int(done.stdout) > 0
    calls = log.read_text(encoding="utf-8", errors="replace").splitlines()
    refused = [line for line in calls if " = -1 EAGAIN" in line]
    assert any("MAP_SHARED" in line for line in refused)  # the limit was met
    assert not any("MAP_FIXED" in line or "MREMAP_FIXED" in line for line in refused)
    assert any("MREMAP_FIXED" in line and " = 0x" in line for line in calls)  # what was allowed is in its place


FORBIDDEN = """
from securemem import Arena, SecureBytes
from securemem.exceptions import BackendUnavailableError
try:
    SecureBytes.zeros(32, arena=Arena(backend="memfd_secret"))
except BackendUnavailableError as error:
    print(error.errno, error)
"""


POPULATED = """
from securemem import SecureBytes
secret = SecureBytes.random(70_000)
print(secret.protection.locked)
"""


def test_before_linux_5_14_pages_are_touched(tmp_path):
    """Where the kernel does not know MADV_POPULATE_WRITE it writes to each page, and they are as resident."""

    def run(*options):
        log = tmp_path / "strace.log"
        command = ["strace", "-qq", "-f", "-o", str(log), *options, sys.executable, "-c", POPULATED]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout == "True\n"
        return log.read_text(encoding="utf-8", errors="replace").splitlines()

    advice = [line for line in run("-e", "trace=madvise") if "madvise(" in line]
    (number,) = (n for n, line in enumerate(advice, 1) if re.search(r"POPULATE_WRITE|, 0x17\b", line))
    inject = f"inject=madvise:error=EINVAL:when={number}"
    calls = run("-e", "trace=madvise,getrandom", "-e", inject)
    assert sum("EINVAL" in line and "INJECTED" in line for line in calls) == 1
    assert sum(bool(re.search(r"getrandom\(.*, 1, 0\)\s+= 1", line)) for line in calls) == 18  # pages of 70,000 bytes


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_a_filter_makes_the_backend_unavailable(error, tmp_path):
    """A system call filter answers EPERM or ENOSYS: both are BackendUnavailableError, which names filters."""
    inject = f"inject=memfd_secret:error={error}"
    command = ["strace", "-qq", "-f", "-o", str(tmp_path / "log"), "-e", inject, sys.executable, "-c", FORBIDDEN]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.startswith(f"{getattr(errno, error)} ")
    assert error in done.stdout
    assert "filter" in done.stdout
