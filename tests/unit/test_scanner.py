"""The scanner from outside: which forms it knows, how it counts, and how it is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64decode, b64encode

import pytest

from securemem.exceptions import ScanRefusedError
from securemem.scanning import Copies, Needle, Place, forms_of, needle, scan_file, scan_process

SECRET = bytes(range(100, 132))
MEBI = 1 << 20


def _forms(tmp_path, content, secret=SECRET):
    path = tmp_path / "file"
    path.write_bytes(content)
    return {place.form: place.count for place in scan_file(path, forms_of(secret)).where}


@pytest.mark.parametrize(
    ("content", "form"),
    [
        (SECRET, "raw"),
        (SECRET[::-1], "reversed"),
        (b"".join(SECRET[at : at + 4][::-1] for at in range(0, 32, 4)), "4-byte words swapped"),
        (b"".join(SECRET[at : at + 8][::-1] for at in range(0, 32, 8)), "8-byte words swapped"),
        (SECRET.hex().encode(), "hex"),
        (SECRET.hex().upper().encode(), "upper-case hex"),
        (b64encode(SECRET), "base64"),
        (b64encode(b"user:ab" + SECRET + b"..."), "base64 after 1 bytes"),
        (b64encode(b"user:" + SECRET + b"..."), "base64 after 2 bytes"),
        (b"..." + SECRET[8:16] + b"...", "8 bytes of raw"),
        (SECRET[8:16][::-1], "8 bytes of reversed"),
    ],
)
def test_each_form_is_found_once_and_as_nothing_else(tmp_path, content, form):
    """A whole form is counted once, and the parts of which it is made are not counted again."""
    assert _forms(tmp_path, bytes(1000) + content + bytes(1000)) == {form: 1}


def test_nothing_is_found_in_other_bytes(tmp_path):
    """The control: random bytes hold no form."""
    assert _forms(tmp_path, os.urandom(MEBI)) == {}


def test_parts_beside_a_whole_are_counted_on_their_own(tmp_path):
    """A half copy counts as its two parts, and the whole one beside it as one."""
    assert _forms(tmp_path, SECRET + b"-" + SECRET[:16]) == {"raw": 1, "8 bytes of raw": 2}


@pytest.mark.parametrize("place", [0, 1, MEBI - 33, MEBI - 32, MEBI - 31, MEBI - 1, MEBI, 2 * MEBI - 7, 3 * MEBI - 32])
def test_a_copy_over_the_border_of_two_chunks_is_counted_once(tmp_path, place):
    """Chunks overlap, so that no place hides a copy nor counts it twice."""
    content = bytearray(3 * MEBI)
    content[place : place + 32] = SECRET
    assert _forms(tmp_path, content) == {"raw": 1}


def test_many_copies_are_all_counted(tmp_path):
    """Copies back to back, over several chunks, are counted exactly."""
    assert _forms(tmp_path, SECRET * 100_000) == {"raw": 100_000}


@pytest.mark.parametrize("size", [8, 9, 16, 24, 31, 64, 1000, 65536])
def test_secrets_of_every_length_are_found(tmp_path, size):
    """From 8 bytes up, also lengths that are no multiple of a word, and none is counted twice."""
    secret = os.urandom(size)
    assert _forms(tmp_path, bytes(99) + secret + bytes(99), secret) == {"raw": 1}


@pytest.mark.parametrize("pattern", [b"", b"1234567", bytes(32), b"abc" * 8])
def test_patterns_that_are_found_anywhere_are_refused(pattern):
    """Too short or too regular ones are a ValueError that says so."""
    with pytest.raises(ValueError, match="8 bytes or more, 4 of them different"):
        needle("raw", pattern)
    with pytest.raises(ValueError, match="8 bytes or more"):
        forms_of(pattern)


def test_needles_do_not_show_their_bytes():
    """A needle in a log or a traceback tells the form only."""
    for one in forms_of(SECRET):
        assert repr(one) == f"Needle(form={one.form!r})"


def test_base64_forms_are_decided_by_the_secret_alone():
    """The characters at both ends that depend on neighbours are left out."""
    for lead in range(3):
        name = f"base64 after {lead} bytes" if lead else "base64"
        (form,) = (one for one in forms_of(SECRET) if one.form == name)
        for neighbour in (b"\x00", b"\xff"):
            text = b64encode(neighbour * lead + SECRET + neighbour * 3)
            assert form.pattern in text
            assert b64decode(text)[lead : lead + 32] == SECRET


def test_copies_are_summed_by_kind():
    """locked, unlocked and closed add the places up."""
    places = (
        Place("[heap]", locked=False, accessible=True, form="raw", count=3),
        Place("anonymous", locked=True, accessible=False, form="raw", count=2),
    )
    copies = Copies(places, 100, 0)
    assert (copies.locked, copies.unlocked, copies.closed) == (2, 3, 2)


PREY = """
import mmap, os, sys
heap, pages = bytearray(100_000), mmap.mmap(-1, 1 << 22)
for place in (heap, pages):
    view = memoryview(place)[1000:1032]
    view[:] = bytes(b ^ 0x55 for b in bytes.fromhex(sys.argv[1]))
print(flush=True); sys.stdin.read()
"""


@pytest.fixture
def prey():
    """A process that has the secret twice, made from another value."""
    masked = bytes(byte ^ 0x55 for byte in SECRET).hex()
    command = [sys.executable, "-c", PREY, masked]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"\n"
        yield process
        process.kill()


def test_copies_in_another_process_are_found(prey):
    """Both places are found whole, none in locked memory, and nothing was unreadable but the kernel's own pages."""
    copies = scan_process(prey.pid, forms_of(SECRET))
    assert sum(place.count for place in copies.where if place.form == "raw") >= 2
    assert copies.locked == 0
    assert copies.scanned > MEBI


def test_no_needles_is_an_error(prey, tmp_path):
    """A scan for nothing would find nothing, and look like good news."""
    with pytest.raises(ValueError, match="at least one needle"):
        scan_process(prey.pid, ())
    with pytest.raises(ValueError, match="at least one needle"):
        scan_file(tmp_path, ())


def test_process_that_does_not_exist_or_has_ended(prey):
    """No such process, or a dead one not yet waited for, is ProcessLookupError."""
    prey.kill()
    os.waitid(os.P_PID, prey.pid, os.WEXITED | os.WNOWAIT)
    for pid in (prey.pid, 2**22 + 1):
        with pytest.raises(ProcessLookupError):
            scan_process(pid, forms_of(SECRET))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_kernels_refusal_is_a_typed_error_that_says_what_to_do():
    """Another user's process is ScanRefusedError, which is PermissionError too."""
    code = """
import os
from securemem.exceptions import ScanRefusedError
from securemem.scanning import forms_of
from securemem.scanning import scan_process
parent = os.getppid()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    scan_process(parent, forms_of(bytes(range(32))))
except ScanRefusedError as error:
    assert isinstance(error, PermissionError) and error.errno and "ptrace_scope" in str(error)
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "refused\n"
    assert issubclass(ScanRefusedError, PermissionError)


def test_a_needle_of_ones_own_is_searched_too(tmp_path):
    """Whoever knows another form of a secret names it."""
    path = tmp_path / "file"
    path.write_bytes(b"..." + bytes(byte ^ 0x36 for byte in SECRET))
    mine = needle("HMAC pad", bytes(byte ^ 0x36 for byte in SECRET))
    assert scan_file(path, [mine]).where == (Place(str(path), locked=False, accessible=True, form="HMAC pad", count=1),)
    assert isinstance(mine, Needle)
