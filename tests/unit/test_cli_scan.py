"""`securemem scan`: where copies are, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256

import pytest

SECRET = sha256(b"a secret of this test").digest()  # in no table of any library
PREY = """
import os, sys
from securemem import SecureBytes
secret = SecureBytes.zeros(32)
with secret.reveal(writable=True) as view: os.readv(0, [view])
@
print(flush=True); sys.stdin.read()
"""


@pytest.fixture
def prey():
    """Start a process that has the secret in a slot, and does something more."""
    started = []

    def start(code=""):
        command = [sys.executable, "-c", PREY.replace("@", code)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        process.stdin.write(SECRET)
        process.stdin.flush()
        assert process.stdout.readline() == b"\n"
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


def scan(*arguments, secret=SECRET):
    """Run the command with the secret on a pipe."""
    command = [sys.executable, "-m", "securemem", "scan", *map(str, arguments), "--needle-from", "0"]
    return subprocess.run(command, input=secret, capture_output=True, check=False)


def test_a_secret_in_its_slot_is_found_there(prey):
    """Once, locked, without access; status 0."""
    pid = prey()
    done = scan(pid)
    assert done.returncode == 0, done.stderr
    first, copy, *_ = done.stdout.decode().splitlines()
    assert first == f"process {pid}: 0 copies outside locked memory, 1 in it"
    assert copy.split()[0] == "raw"
    assert copy.endswith("locked, no access  anonymous")


def test_copies_elsewhere_are_told(prey):
    """Each with mapping, offset and form; status 1. JSON says the same."""
    pid = prey("kept = bytes(memoryview(secret)).hex(), bytearray(memoryview(secret))")
    done = scan(pid, "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert (said["schema"], said["pid"], said["locked"]) == (1, pid, 1)
    forms = [one["form"] for one in said["copies"] if not one["locked"]]
    assert {"raw", "hex"} <= set(forms)
    for one in said["copies"]:
        start, end = (int(part, 16) for part in one["mapping"].split("-"))
        assert start + one["offset"] == one["address"] < end
    page = scan(pid).stdout.decode()
    assert f"{said['unlocked']} copies outside locked memory, 1 in it" in page
    assert "not locked" in page


def test_the_secret_is_not_printed(prey):
    """Neither in the page nor in JSON."""
    pid = prey("kept = bytearray(memoryview(secret))")
    for done in (scan(pid), scan(pid, "--json")):
        assert SECRET not in done.stdout
        assert SECRET.hex().encode() not in done.stdout


def test_line_ends_and_descriptors(prey):
    """--line leaves one line end out; any descriptor will do."""
    pid = prey()
    assert b"0 copies outside locked memory, 1 in it" in scan(pid, "--line", secret=SECRET + b"\n").stdout
    reading, writing = os.pipe()
    os.write(writing, SECRET)
    os.close(writing)
    command = [sys.executable, "-m", "securemem", "scan", str(pid), "--needle-from", str(reading)]
    done = subprocess.run(command, pass_fds=[reading], capture_output=True, check=False)
    os.close(reading)
    assert b"1 in it" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "secret", "why"),
    [
        ((2**22 + 1,), SECRET, b"no process"),
        ((1,), b"short", b"8 bytes or more"),
        ((1,), b"", b"8 bytes or more"),
        ((1,), bytes(range(256)) * 4097, b"more than 1048576 bytes"),
        (("many",), SECRET, b"invalid int value"),
    ],
)
def test_what_cannot_be_done(arguments, secret, why):
    """Status 2, a line that says why, and nothing on standard output."""
    done = scan(*arguments, secret=secret)
    assert (done.returncode, done.stdout) == (2, b"")
    assert why in done.stderr


def test_a_descriptor_that_is_not_open():
    """Status 2 too."""
    command = [sys.executable, "-m", "securemem", "scan", "1", "--needle-from", "99"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"securemem scan: Bad file descriptor\n")
