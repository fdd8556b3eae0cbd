"""`securemem demo`: what it prints, how it ends, and what it does where it cannot do all."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from securemem.cli import _demo as demo
from securemem.cli import main
from securemem.exceptions import ScanRefusedError
from securemem.scanning.scanner import Copies, Place


@pytest.fixture
def file(tmp_path):
    """A file of several chunks and a rest."""
    path = tmp_path / "some file"
    path.write_bytes(os.urandom(200_000))
    return path


def _cells(output, moment):
    row = next(line for line in output.splitlines() if line.strip().startswith(moment))
    return re.findall(r"(\d+) / (\d+)", row)


def test_demo_finds_the_plain_key_and_none_of_ours(file, capsys):
    """The bytes column finds copies, ours one in locked memory and none elsewhere, and after release none at all."""
    assert main(["demo", str(file)]) == 0
    output = capsys.readouterr().out
    assert "200,000 bytes encrypted with AES-256-GCM, decrypted, compared: equal" in output
    (plain, ours) = _cells(output, demo.MOMENTS[0])
    assert int(plain[0]) >= 1
    assert ours == ("0", "1")
    (plain, ours) = _cells(output, demo.MOMENTS[1])
    assert int(plain[0]) >= 1
    assert ours == ("0", "1")
    assert _cells(output, demo.MOMENTS[2])[1] == ("0", "0")
    for line in ("locked +True", "dump excluded +True", "fork policy +excluded", "guarded +True", "closed +True"):
        assert re.search(line, output)
    assert "seen from outside: anonymous memory, locked, without access" in output
    assert "Verdict: no copy of the SecureBytes key outside locked memory" in output


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
    assert done.stdout.count("not allowed") == 6
    assert "200,000 bytes encrypted" in done.stdout
    assert "locked             True" in done.stdout
    assert "Verdict: no verdict on copies: the kernel forbids" in done.stdout


def test_refused_scans_are_told_without_root_too(file, capsys, monkeypatch):
    """The same by a scanner that is refused."""

    def refuse(*_):
        raise ScanRefusedError(1, "the kernel forbids it")

    monkeypatch.setattr(demo, "scan_process", refuse)
    assert main(["demo", str(file)]) == 0
    assert capsys.readouterr().out.count("not allowed") == 6


def _found(locked, unlocked):
    places = (
        Place("[heap]", locked=True, accessible=True, form="raw", count=locked),
        Place("[heap]", locked=False, accessible=True, form="raw", count=unlocked),
    )
    return Copies(places, 1, 0)


@pytest.mark.parametrize(
    ("scans", "verdict"),
    [
        ([(0, 1), (0, 1), (0, 1), (1, 0), (1, 2), (0, 0)], "FAILED: 2 copies"),
        ([(0, 0), (0, 1), (0, 1), (1, 0), (1, 0), (0, 0)], "the scan proves nothing"),
        ([(0, 1), (0, 1), (0, 1), (0, 0), (0, 0), (0, 0)], "the scan proves nothing"),
    ],
    ids=["a copy left", "control not found", "key not found"],
)
def test_exit_status_1_when_copies_are_found_or_the_scan_is_blind(file, capsys, monkeypatch, scans, verdict):
    """A copy in our column fails the demo, and so does a scan that does not see what must be there."""
    results = iter(scans)
    monkeypatch.setattr(demo, "scan_process", lambda *_: _found(*next(results)))
    assert main(["demo", str(file)]) == 1
    assert verdict in capsys.readouterr().out


def test_a_worker_that_dies_is_told(file, capsys, monkeypatch):
    """A worker killed from outside is an error of the command, not a traceback."""

    def kill(pid, _):
        os.kill(pid, 9)
        raise ProcessLookupError(3, "the process ended")

    monkeypatch.setattr(demo, "scan_process", kill)
    assert main(["demo", str(file)]) == 2
    assert "the worker was ended from outside" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["demo"], ["unknown"]])
def test_wrong_usage_ends_with_2(arguments, capsys):
    """Argparse's own way: usage on standard error, status 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: securemem" in capsys.readouterr().err
