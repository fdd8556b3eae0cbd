"""`securemem demo`: what it prints, how it ends, and what it does where it cannot do all."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from securemem.cli import _demo as demo
from securemem.cli import _demo_attack as attacker
from securemem.cli import main
from securemem.cli._demo_attack import MOMENTS, Attack, Found
from securemem.exceptions import ScanRefusedError
from securemem.scanning import Copies


@pytest.fixture
def file(tmp_path):
    """A file of several chunks and a rest."""
    path = tmp_path / "some file"
    path.write_bytes(os.urandom(200_000))
    return path


ROWS = {
    "key in bytes": "key",
    "password typed": "typed",
    "token from the environment": "token",
    "password in a JSON file": "entry",
    "token in a request's header": "header",
}


def _cells(output, label):
    """(in use, released) of everyday Python, and the same two cells of securemem."""
    row = next(line for line in output.splitlines() if line.strip().startswith(label))
    *plain, used, released = re.findall(r"\d+(?: \+ \d+ locked)?(?= |$)", row)
    return tuple(map(int, plain)), (used, released)


@pytest.mark.parametrize("label", ROWS)
def test_demo_finds_everyday_copies_and_none_of_ours(page, label):
    """Everyday Python has each secret in ordinary memory; ours is there once, locked, and after release not at all."""
    (used, _), ours = _cells(page, label)
    assert used >= 1
    assert ours == ("0 + 1 locked", "0")


def test_demo_tells_what_it_did(page):
    """The work, what the kernel says of the pages, the verdict, and what to do next; on one screen."""
    assert "200,000 bytes encrypted with AES-256-GCM, decrypted, compared: equal" in page
    assert "locked, not in cores, not in children, between guard pages, no access at rest" in page
    released = sum(_cells(page, label)[0][1] for label in ROWS)
    verdict = f"Verdict: no copy outside locked memory; without securemem {released} after release.\n"
    assert verdict in page
    assert released >= 1
    assert [word for word in ("doctor", "run APP", "pydoc") if word not in page.partition("Next:")[2]] == []
    lines = page.splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines[1:])) <= 80


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """What the demo prints of a file of several chunks."""
    path = tmp_path_factory.mktemp("demo") / "file"
    path.write_bytes(os.urandom(200_000))
    done = subprocess.run(
        [sys.executable, "-m", "securemem", "demo", str(path)], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_without_a_terminal_to_be_had_the_rest_is_shown(file, capsys, monkeypatch):
    """Where /dev/pts is missing nothing can be typed: that row is left out."""

    def refuse():
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "openpty", refuse)
    assert main(["demo", str(file)]) == 0
    output = capsys.readouterr().out
    assert "typed" not in output
    assert _cells(output, "token from the environment")[1] == ("0 + 1 locked", "0")


@pytest.mark.skipif(shutil.which("script") is None, reason="needs script, of util-linux")
def test_colour_on_a_terminal_only(file, page):
    """The verdict is coloured on a terminal; in a pipe it is not. test_doctor has NO_COLOR and TERM=dumb."""
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    command = ["script", "-qec", shlex.join([sys.executable, "-m", "securemem", "demo", str(file)]), "/dev/null"]
    shown = subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    assert b"\033[32;1mVerdict: no copy" in shown
    assert "\033" not in page


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 20_000_000])
def test_files_of_every_size_come_back_equal(tmp_path, capsys, size):
    """One byte, the border of a chunk, and more than RLIMIT_MEMLOCK."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    assert main(["demo", str(path)]) == 0
    assert f"{size:,} bytes encrypted" in capsys.readouterr().out


def test_name_that_is_no_text_is_printed_all_the_same(tmp_path, capsys):
    """A file's name is bytes; those that are no UTF-8 are shown escaped."""
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    assert main(["demo", path]) == 2
    assert "caf\\xe9: No such file" in capsys.readouterr().err
    with open(path, "wb") as made:  # noqa: PTH123 - the name as it is
        made.write(b"text")
    assert main(["demo", path]) == 0
    assert "caf\\xe9: 4 bytes" in capsys.readouterr().out


def test_module_runs_as_the_command(file):
    """`python -m securemem demo FILE` is the same command."""
    command = [sys.executable, "-m", "securemem", "demo", str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Verdict: no copy" in done.stdout


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (str, "No such file or directory"),
        (lambda path: path.mkdir(), "is a directory"),
        (lambda path: path.touch(), "the file is empty"),
        (os.mkfifo, "is not a regular file"),
    ],
    ids=["missing", "directory", "empty", "named pipe"],
)
def test_a_file_that_cannot_be_encrypted_is_told_in_one_line(tmp_path, capsys, make, why):
    """Exit status 2, one line on standard error that names the file and the reason, and nothing on standard output."""
    path = tmp_path / "file"
    make(path)
    assert main(["demo", str(path)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert str(path) in output.err
    assert why in output.err


def _as_ordinary_user(limit_kib, *arguments):
    """Run the command without capabilities, under a lock limit."""
    code = f"""
import ctypes, resource, sys
from securemem.cli import main
resource.setrlimit(resource.RLIMIT_MEMLOCK, ({limit_kib} * 1024,) * 2)
libc = ctypes.CDLL(None, use_errno=True)
for capability in range(64):
    libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP: the workers then have none either
class Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]
assert libc.capset(ctypes.byref(Header(0x20080522, 0)), (ctypes.c_uint32 * 6)()) == 0
sys.exit(main({list(arguments)!r}))
"""
    return subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)


@pytest.mark.parametrize("limit_kib", [16, 64, 8192])
def test_small_lock_limits_suffice(tmp_path, limit_kib):
    """Without CAP_IPC_LOCK, a file bigger than the limit is worked through in chunks that fit."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(9_000_000))
    done = _as_ordinary_user(limit_kib, "demo", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "9,000,000 bytes" in done.stdout
    assert "Verdict: no copy" in done.stdout


def test_no_lock_limit_at_all_is_told_with_what_to_do(file):
    """At limit 0 the worker's LockLimitError becomes the command's one line."""
    done = _as_ordinary_user(0, "demo", str(file))
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "RLIMIT_MEMLOCK" in done.stderr


@pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root, who loses capabilities that a program started by it gets back"
)
def test_where_the_kernel_forbids_reading_another_process_the_rest_is_done(file):
    """A parent with fewer capabilities than its worker may not read it: the demo says so, and does the rest."""
    code = f"""
import ctypes, sys
from securemem.cli import main
class Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]
assert ctypes.CDLL(None).capset(ctypes.byref(Header(0x20080522, 0)), (ctypes.c_uint32 * 6)()) == 0
sys.exit(main(["demo", {str(file)!r}]))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("not allowed") == 4 * len(ROWS)
    assert "200,000 bytes encrypted" in done.stdout
    assert "locked, not in cores" in done.stdout
    assert "Verdict: no verdict on copies: the kernel forbids" in done.stdout


def test_refused_scans_are_told_without_root_too(file, capsys, monkeypatch):
    """The same by a scanner that is refused."""

    def refuse(*_):
        raise ScanRefusedError(1, "the kernel forbids it")

    monkeypatch.setattr(attacker, "scan_process", refuse)
    assert main(["demo", str(file)]) == 0
    assert capsys.readouterr().out.count("not allowed") == 4 * len(ROWS)


# Copies of every secret, outside locked memory and in it: everyday Python in use and after release; securemem with open
# windows, in use, and after release.
GOOD = [(1, 0), (1, 0), (0, 1), (0, 1), (0, 0)]


def _attacks(counts):
    """What the attacks would have found with these counts, for every secret."""
    found = [dict.fromkeys(ROWS.values(), Found(*count)) for count in counts]
    plain = dict(zip(MOMENTS["plain"], found, strict=False))
    ours = dict(zip(MOMENTS["protected"], found[len(plain) :], strict=True))
    return Attack(plain, "", {}), Attack(ours, "", {})


@pytest.mark.parametrize(
    ("at", "copies", "expected"),
    [
        (1, (0, 0), (0, "without securemem 0 after release")),
        (3, (0, 0), (0, "no copy outside locked memory")),
        (3, (2, 1), (1, "FAILED: securemem left 10 copies")),
        (2, (1, 1), (1, "FAILED: securemem left 5 copies")),
        (4, (0, 1), (1, "FAILED: securemem left 5 copies")),
        (4, (1, 0), (1, "FAILED: securemem left 5 copies")),
        (0, (0, 0), (1, "the scan proves nothing")),
        (2, (0, 0), (1, "the scan proves nothing")),
    ],
    ids=[
        "everyday Python left none",
        "pages without access not readable",
        "copies left",
        "copies beside an open window",
        "locked after release",
        "copies after release",
        "control not found",
        "open secret not found",
    ],
)
def test_the_verdict(at, copies, expected):
    """A copy in our column fails the demo, and so does a scan that does not see what must be there."""
    status, verdict = demo._verdict(*_attacks([*GOOD[:at], copies, *GOOD[at + 1 :]]))
    assert status == expected[0]
    assert expected[1] in verdict


def test_a_scan_that_finds_nothing_at_all_fails_the_demo(file, capsys, monkeypatch):
    """The whole command, with a blind scanner: status 1, and the page says that the scan proves nothing."""
    monkeypatch.setattr(attacker, "scan_process", lambda *_: Copies((), 1, 0))
    assert main(["demo", str(file)]) == 1
    assert "Verdict: the scan proves nothing" in capsys.readouterr().out


def test_a_worker_that_dies_is_told(file, capsys, monkeypatch):
    """A worker killed from outside is an error of the command, not a traceback."""

    def kill(pid, _):
        os.kill(pid, 9)
        raise ProcessLookupError(3, "the process ended")

    monkeypatch.setattr(attacker, "scan_process", kill)
    assert main(["demo", str(file)]) == 2
    assert "the worker was ended from outside" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["demo"], ["unknown"]])
def test_wrong_usage_ends_with_2(arguments, capsys):
    """Argparse's own way: usage on standard error, status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: securemem" in capsys.readouterr().err
