"""The crypto heap from Python: what enabling does, what it refuses, sections, the budget, children.

Each test is a process of its own, since what is redirected stays so.
"""

from __future__ import annotations

import sys

import pytest

from tests.support.programs import run

WORK = """
import sys
from securemem import crypto_heap as heap, exceptions
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

def works():
    cipher = AESGCM(bytes(range(32)))
    assert cipher.decrypt(bytes(12), cipher.encrypt(bytes(12), b"data", b"aad"), b"aad") == b"data"

works()  # so that OpenSSL has what it keeps for good

def refused(word, **arguments):
    before = heap.status()
    try: heap.enable(**arguments)
    except exceptions.CryptoHeapError as error: assert word in str(error), str(error)
    else: raise AssertionError("it should have been refused")
    assert heap.status() == before and not before.enabled and not before.slots
    works()
"""

SLOTS = """
from cryptography.hazmat.bindings._rust import __file__ as PATH
from tests.support.heap_slots import address_of, addresses_of, protection_at, read_slot, slots_of, write_slot
"""


def test_slots_are_written_and_read_only_again():
    """Every slot for malloc leads elsewhere after enabling; its page is as the loader left it."""
    run(
        WORK
        + SLOTS
        + """
slots = slots_of(PATH, "malloc") + slots_of(PATH, "free")
before = [read_slot(slot) for slot in slots]
assert set(before) <= addresses_of("malloc") | addresses_of("free")
assert all(set(before) & addresses_of(name) for name in ("malloc", "free"))
protections = [protection_at(slot) for slot in slots]
heap.enable()
assert not {read_slot(slot) for slot in slots} & set(before)
assert [protection_at(slot) for slot in slots] == protections
counted = dict(heap.status().slots)
assert counted["malloc"] + counted["free"] == len(slots)
"""
    )


def test_it_serves_what_cryptography_allocates_and_takes_it_back():
    """Blocks come and go with a cipher; what was allocated before enabling is freed after it."""
    run(
        WORK
        + """
old = AESGCM(bytes(32))
heap.enable()
assert heap.status().live_blocks == 0
new = AESGCM(bytes(32))
held = heap.status()
assert held.enabled and held.objects == ("cryptography",) and held.live_blocks > 2 and held.live_bytes > 1000
assert held.locked >= held.locked_used > 0 and held.unlocked == held.overflow == held.outside == 0
assert {"malloc", "free", "realloc", "PyBytes_FromStringAndSize"} <= dict(held.slots).keys()
box = new.encrypt(bytes(12), b"x" * 100, None)
assert heap.status().python_bytes >= 116
assert old.decrypt(bytes(12), box, None) == b"x" * 100
del old, new, box
assert heap.status().live_blocks == 0 and heap.status().failures == ()
"""
    )


def test_it_may_be_enabled_before_cryptography_is_imported():
    """enable() imports the extension itself."""
    run("from securemem import crypto_heap as heap; heap.enable()\n" + WORK + "works(); assert heap.status().enabled")


def test_disabled_it_serves_nothing_and_takes_back():
    """After disable() the C library serves; blocks of the heap are freed into it; enable() turns it on again."""
    run(
        WORK
        + """
heap.enable()
cipher = AESGCM(bytes(32))
heap.disable()
held = heap.status()
assert not held.enabled and held.live_blocks > 0 and held.objects == ("cryptography",)
works()
assert heap.status().live_blocks == held.live_blocks
box = cipher.encrypt(bytes(12), b"data", None)
del cipher
assert heap.status().live_blocks == 0
try: heap.secret_section()
except exceptions.CryptoHeapError as error: assert "enable()" in str(error)
else: raise AssertionError
heap.enable()
works(); assert heap.status().enabled
"""
    )


def test_an_interrupted_enabling_can_be_repeated():
    """An exception after the slots were written leaves cryptography at work, and the next enable() goes through."""
    run(
        WORK
        + """
from securemem._binding import heap as binding
start = binding.start_python
def interrupted(): raise KeyboardInterrupt
binding.start_python = interrupted
try: heap.enable()
except KeyboardInterrupt: pass
else: raise AssertionError
assert not heap.status().enabled
works()
binding.start_python = start
heap.enable()
cipher = AESGCM(bytes(32))
assert heap.status().live_blocks > 0 and heap.status().objects == ("cryptography",)
"""
    )


def test_two_threads_may_enable_and_look_at_once():
    """Both find it on; looking, repairing and sections go on meanwhile."""
    run(
        WORK
        + """
import threading
from securemem._binding import heap as binding
def work():
    for _ in range(50):
        heap.enable(); heap.status()
        with heap.secret_section(): works()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert heap.status().enabled and not heap.status().failures
"""
    )


def test_a_section_serves_pythons_objects_of_its_thread_only():
    """Inside a section, bytes, str and int lie in the heap; outside it, and in another thread, they do not."""
    run(
        WORK
        + """
import threading
def make(): return bytearray(3000), str(10**500), 7**2000
heap.enable()
kept = make(); assert heap.status().python_bytes == 0
with heap.secret_section():
    inside = make(); held = heap.status().python_bytes
    assert held >= 3000 + 500 + 600, held
    with heap.secret_section(): pass
    more = make(); assert heap.status().python_bytes > held + 4000
    del more
    others = []
    before = heap.status().python_bytes
    ready, go = threading.Event(), threading.Event()
after = make(); held = heap.status().python_bytes
thread = threading.Thread(target=lambda: (ready.set(), go.wait(), others.append(make())))
thread.start(); ready.wait()
with heap.secret_section():
    go.set(); thread.join()
    assert heap.status().python_bytes < held + 4000
del inside
assert heap.status().python_bytes < held - 4000
"""
    )


def test_a_section_ends_with_its_object_and_once():
    """Entered twice is an error; dropped while entered it ends; ended in another thread it ends for its own."""
    run(
        WORK
        + """
import threading
heap.enable()
section = heap.secret_section()
section.__enter__()
try: section.__enter__()
except RuntimeError: pass
else: raise AssertionError
del section
before = heap.status().python_bytes
kept = bytearray(5000)
assert heap.status().python_bytes == before
section = heap.secret_section()
section.__enter__()
thread = threading.Thread(target=section.__exit__, args=(None, None, None)); thread.start(); thread.join()
before = heap.status().python_bytes
more = bytearray(5000)
assert heap.status().python_bytes == before
section.__exit__(None, None, None)
"""
    )


def test_sections_take_half_the_budget_at_most():
    """What is more comes from Python's own memory, and is counted."""
    run(
        WORK
        + """
heap.enable(budget=1 << 20)
with heap.secret_section():
    kept = [bytearray(60_000) for _ in range(20)]
found = heap.status()
assert 400_000 < found.python_bytes <= 1 << 19 and found.sections_refused >= 10, found
"""
    )


@pytest.mark.parametrize(("budget", "lock"), [(0, "warn"), (65536, "warn"), (65536, "require")])
def test_past_the_budget_it_serves_unlocked_and_counts(budget, lock):
    """Nothing fails for cryptography; the overflow is told, and goes when the objects go."""
    run(
        WORK
        + f"""
heap.enable(budget={budget}, lock="{lock}")
kept = [AESGCM(bytes(32)) for _ in range(100)]
found = heap.status()
assert found.locked <= {budget} and found.overflow > 50_000 and found.unlocked >= found.overflow and not found.outside
works()
refused = False
try: heap._check_locked()
except exceptions.LockLimitError: refused = True
assert refused == ({lock!r} == "require")
del kept
found = heap.status()
assert found.overflow == found.unlocked == found.live_blocks == 0 and found.unlocked_peak > 50_000
heap._check_locked()
"""
    )


def test_it_locks_little_and_holds_many_ciphers():
    """At most 350 KiB are locked after the first use, and 8 MiB hold 3,000 kept ciphers or more."""
    run(
        WORK
        + """
heap.enable(budget=8 << 20, lock="require" if heap.binding.lock_limit() is None else "warn")
works()
assert heap.status().locked <= 350 << 10
kept = [AESGCM(bytes(32)) for _ in range(3000)]
found = heap.status()
assert found.overflow == 0 and found.locked <= 8 << 20, found
""",
    )


def test_blocks_over_a_mebibyte_are_not_locked():
    """Argon2's blocks go into the second tier, are no overflow, and leave no frames behind."""
    run(
        WORK
        + """
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
heap.enable()
Argon2id(salt=bytes(16), length=32, iterations=1, lanes=1, memory_cost=8192).derive(b"password")
found = heap.status()
assert found.unlocked_peak >= 8 << 20 and found.unlocked == found.overflow == 0 and found.locked < 1 << 20
heap._check_locked()
"""
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ('objects="ssl"', "tuple"),
        ("objects=()", "one or more"),
        ('objects=("nacl",)', "nacl"),
        ("budget=-1", "budget"),
        ("budget=1 << 40", "budget"),
        ("budget=0", "locks nothing"),
        ('lock="maybe"', "lock"),
        ('scrub="never"', "scrub"),
    ],
)
def test_arguments_that_do_not_exist_are_refused(arguments, word):
    """The message names the argument, and nothing is changed."""
    run(
        WORK
        + f"""
try: heap.enable({arguments})
except exceptions.InvalidArgumentError as error: assert {word!r} in str(error), str(error)
else: raise AssertionError
assert not heap.status().enabled and not heap.status().slots
"""
    )


def test_it_refuses_a_process_with_memray():
    """The profiler would lead free() past the heap at its end."""
    run(WORK + "import types; sys.modules['memray'] = types.ModuleType('memray'); refused('memray')")


def test_it_refuses_while_tracemalloc_traces_and_lives_with_it_after():
    """Started before, it would put back allocators that do not know the heap; started after, it wraps ours."""
    run(
        WORK
        + """
import tracemalloc
tracemalloc.start(); refused("tracemalloc"); tracemalloc.stop()
heap.enable()
cipher = AESGCM(bytes(32)); box = cipher.encrypt(bytes(12), b"x" * 200, None)
tracemalloc.start()
more = cipher.encrypt(bytes(12), b"x" * 200, None)
with heap.secret_section(): inside = bytearray(300)
tracemalloc.stop()
del box, more, inside, cipher
works(); assert heap.status().live_blocks < 5
"""
    )


def test_it_refuses_where_other_code_redirected_a_slot():
    """A slot that does not lead to the C library belongs to someone else; told by name, and nothing is changed."""
    run(
        WORK
        + SLOTS
        + """
slot = slots_of(PATH, "calloc")[-1]
before = read_slot(slot)
write_slot(slot, address_of("malloc"))  # like calloc(n, 1), near enough for what is never called
try: heap.enable()
except exceptions.CryptoHeapError as error: assert "redirected calloc of cryptography" in str(error), str(error)
else: raise AssertionError
assert not heap.status().enabled and not heap.status().slots
write_slot(slot, before)
heap.enable(); works()
"""
    )


def test_it_refuses_what_is_built_in_or_not_there():
    """A module without a file, a symbol that no object has, and an object without the slots that are needed."""
    run(
        WORK
        + """
known = dict(heap._OBJECTS)
heap._OBJECTS["cryptography"] = (("sys", "PyInit__rust"),); refused("built into Python")
heap._OBJECTS["cryptography"] = (("cryptography.hazmat.bindings._rust", "no_such_symbol"),); refused("no_such_symbol")
heap._OBJECTS["cryptography"] = (("_queue", "PyInit__queue"),); refused("no import slot for PyBytes_FromStringAndSize")
heap._OBJECTS.update(known)
heap.enable(); works()
"""
    )


def test_slots_that_others_change_are_written_again():
    """status() finds a slot that leads elsewhere, repairs it and says so."""
    run(
        WORK
        + SLOTS
        + """
heap.enable()
cipher = AESGCM(bytes(32))
assert heap.status().failures == ()
slots = slots_of(PATH, "free")
ours = [read_slot(slot) for slot in slots]
for slot in slots: write_slot(slot, address_of("free"))
found = heap.status()
assert any(f"changed {len(slots)} import slots" in failure for failure in found.failures), found.failures
assert [read_slot(slot) for slot in slots] == ours
assert {protection_at(slot) for slot in slots} == {"r--p"}
del cipher
works()
assert heap.status().live_blocks == 0
"""
    )


@pytest.mark.parametrize("start", ["fork", "raw clone"])
def test_children_inherit_it_locked(start):
    """Objects of the parent work in the child, whose pages are locked again before its first line; so do new ones."""
    begin = "os.fork()" if start == "fork" else "ctypes.CDLL(None).syscall(SYS_CLONE, 17, 0, 0, 0, 0)"
    run(
        WORK
        + f"""
import ctypes, os, platform
SYS_CLONE = 56 if platform.machine() == "x86_64" else 220
from securemem.locking import verify_locks
heap.enable()
cipher = AESGCM(bytes(32)); box = cipher.encrypt(bytes(12), b"data", None)
parent = heap.status()
child = {begin}
if child == 0:
    works()
    found = heap.status()
    with open("/proc/self/status") as file: kib = int(file.read().partition("VmLck:")[2].split()[0])
    good = cipher.decrypt(bytes(12), box, None) == b"data"
    del cipher, box
    works(); heap._check_locked()
    os._exit(0 if good and found.locked >= parent.locked and kib * 1024 >= found.locked and not found.failures else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert cipher.decrypt(bytes(12), box, None) == b"data"
"""
    )


def test_a_child_that_cannot_lock_goes_on_and_says_so():
    """Unlocked, counted in the status, and a LockLimitError at securemem's next operation."""
    run(
        WORK
        + """
import os, resource
from tests.support.ordinary_user import become
heap.enable()
cipher = AESGCM(bytes(32)); box = cipher.encrypt(bytes(12), b"data", None)
become(8 << 20)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
child = os.fork()
if child == 0:
    works()
    found = heap.status()
    refused = False
    try: heap._check_locked()
    except exceptions.LockLimitError: refused = True
    good = cipher.decrypt(bytes(12), box, None) == b"data" and found.locked == 0 and "forked" in found.failures[0]
    os._exit(0 if good and refused else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
heap._check_locked()
"""
    )


def test_it_ends_well_with_objects_alive():
    """Nothing crashes at the exit of an interpreter that holds blocks, sections and threads."""
    run(
        WORK
        + """
import threading
heap.enable()
kept = [AESGCM(bytes(32)) for _ in range(50)]
section = heap.secret_section(); section.__enter__()
text = "x" * 5000 + str(len(kept))
threading.Thread(target=lambda: threading.Event().wait(), daemon=True).start()
sys.kept = kept, text
"""
    )


@pytest.mark.parametrize("policy", ["auto", "require", "off"])
def test_a_store_turns_it_on_by_its_policy(policy):
    """With no more than a few pages to lock, "auto" says why it is off; "require" raises; "off" does nothing."""
    run(
        WORK
        + f"""
from tests.support.ordinary_user import become
become(512 << 10)
why = heap._turn_on({policy!r})
assert bool(why) == ({policy!r} != "require") and heap._is_on() == ({policy!r} == "require"), why
"""
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="interpreters with a GIL of their own came with Python 3.12")
def test_sub_interpreters_live_beside_it():
    """An interpreter with a GIL of its own allocates as before while sections are entered."""
    run(
        WORK
        + """
import importlib, threading
name = "_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters"
interpreters = importlib.import_module(name)
heap.enable()
inner = interpreters.create()
code = "for i in range(200): [bytes(n) for n in range(300)]"
thread = threading.Thread(target=interpreters.run_string, args=(inner, code)); thread.start()
with heap.secret_section():
    kept = [str(n) * 10 for n in range(2000)]
thread.join(); interpreters.destroy(inner)
works()
""",
        quiet=False,
    )


def test_it_runs_under_pythons_development_mode():
    """Python's own checks around each block (-X dev) stay in place beside the heap."""
    run(
        WORK + "heap.enable()\nwith heap.secret_section(): works(); kept = str(2**4000)\nworks()",
        environment={"PYTHONDEVMODE": "1"},
    )
