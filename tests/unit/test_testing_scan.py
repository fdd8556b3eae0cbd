"""The public scanner: each copy with its place, in processes, files and cores."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

from securemem.testing import Report, aes_round_keys, hmac_pads, needles_of, scan, scan_core, scan_file

SECRET = bytes(range(100, 132))
PREY = """
import ctypes, mmap, os, sys
libc = ctypes.CDLL(None)
open_pages, shut_pages = mmap.mmap(-1, 8192), mmap.mmap(-1, 8192)
for pages in (open_pages, shut_pages):
    view = memoryview(pages)[1000:1032]
    view[:] = bytes(b ^ 0x55 for b in bytes.fromhex(sys.argv[1]))
    view.release()
address = lambda pages: ctypes.addressof(ctypes.c_char.from_buffer(pages))
assert libc.mlock(ctypes.c_void_p(address(shut_pages)), 8192) == 0
print(address(open_pages), address(shut_pages), flush=True); sys.stdin.read()
"""


@pytest.fixture
def prey():
    """A process that has the secret in pages that are not locked, and in pages that are; and their addresses."""
    masked = bytes(byte ^ 0x55 for byte in SECRET).hex()
    command = [sys.executable, "-c", PREY, masked]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process.pid, *map(int, process.stdout.readline().split())
        process.kill()


def test_each_copy_has_its_place(prey):
    """Address, offset in the mapping, form, and whether it is locked, as the prey itself knows them."""
    pid, plain, locked = prey
    report = scan(pid, needles_of(SECRET))
    by_address = {one.address: one for one in report.copies}
    for address, is_locked in ((plain + 1000, False), (locked + 1000, True)):
        copy = by_address[address]
        start, end = (int(part, 16) for part in copy.mapping.split("-"))
        assert (copy.form, copy.locked, copy.accessible) == ("raw", is_locked, True)
        assert copy.offset == address - start < end - start
    assert (report.locked, report.unlocked) == (1, len(report.copies) - 1)
    assert report.scanned > 1 << 20


def test_report_goes_through_json_and_words(prey):
    """Both say the same, and neither a byte of the secret."""
    report = scan(prey[0], needles_of(SECRET))
    assert Report.from_json(report.as_json()) == report
    told = report.describe()
    assert f"{report.unlocked} copies outside locked memory, {report.locked} in it" in told
    assert f"raw in /dev/zero (deleted) at {prey[1] + 1000:#x}" in told
    for text in (told, report.as_json(), repr(report)):
        assert SECRET.hex() not in text
        assert repr(SECRET)[2:-1] not in text


def test_this_process_is_not_scanned_by_itself():
    """It holds the needles, and would find them."""
    with pytest.raises(ValueError, match="from another one"):
        scan(os.getpid(), needles_of(SECRET))


def test_file(tmp_path):
    """A copy in a file has its offset, and no address."""
    path = tmp_path / "log"
    path.write_bytes(bytes(5000) + SECRET.hex().encode())
    (copy,) = scan_file(path, needles_of(SECRET)).copies
    assert (copy.memory, copy.offset, copy.form, copy.locked) == (str(path), 5000, "hex", False)


def test_core_has_addresses(tmp_path):
    """A copy in a core is told with the address that it had in the process."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii").strip()
    if not pattern.startswith("core") or "/" in pattern:
        pytest.skip(f"the kernel gives cores to somebody else: core_pattern is {pattern!r}")
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY and os.geteuid() != 0:
        pytest.skip("the hard limit of RLIMIT_CORE forbids whole cores")
    masked = bytes(byte ^ 0x55 for byte in SECRET).hex()
    code = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)" + PREY
    with subprocess.Popen(
        [sys.executable, "-c", code, masked],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        plain = int(process.stdout.readline().split()[0])
        process.send_signal(signal.SIGABRT)
    (core,) = tmp_path.glob("core*")
    copies = scan_core(core, needles_of(SECRET)).copies
    copy = next(one for one in copies if one.address == plain + 1000)
    assert (copy.memory, copy.form) == ("memory", "raw")
    start, end = (int(part, 16) for part in copy.mapping.split("-"))
    assert start <= copy.address < end
    core.unlink()


@pytest.mark.parametrize(("content", "why"), [(b"", "not an ELF"), (b"x" * 100, "not an ELF"), (None, "no core dump")])
def test_other_files_are_no_cores(tmp_path, content, why):
    """An empty file, text, and a program."""
    path = tmp_path / "file"
    path.write_bytes(Path(sys.executable).read_bytes() if content is None else content)
    with pytest.raises(ValueError, match=why):
        scan_core(path, needles_of(SECRET))


@pytest.mark.parametrize("size", [8, 16, 24, 32, 48, 64, 65, 1000])
def test_needles_know_what_ciphers_make_of_a_key(tmp_path, size):
    """HMAC's pads of up to a block, AES's round keys of its three sizes; each is found by its name."""
    secret = os.urandom(size)
    pads = hmac_pads(secret) if size <= 64 else ()
    rounds = aes_round_keys(secret)[-1:] if size in {16, 24, 32} else []
    path = tmp_path / "file"
    path.write_bytes(b"".join(b"-" * 9 + part for part in [*pads, *rounds]))
    found = [one.form for one in scan_file(path, needles_of(secret)).copies]
    assert found == ["HMAC inner pad", "HMAC outer pad"] * bool(pads) + ["AES round key"] * len(rounds)


def test_round_keys_of_all_three_sizes_are_those_of_the_standard():
    """FIPS 197, A.1 to A.3: the last words of its example keys; other sizes are refused."""
    examples = {
        "2b7e151628aed2a6abf7158809cf4f3c": "d014f9a8c9ee2589e13f0cc8b6630ca6",
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b": "e98ba06f448c773c8ecc720401002202",
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4": "fe4890d1e6188d0b046df344706c631e",
    }
    for key, last in examples.items():
        assert aes_round_keys(bytes.fromhex(key))[-1].hex() == last
    with pytest.raises(ValueError, match="16, 24 or 32"):
        aes_round_keys(bytes(17))


def test_it_is_fast_enough_to_be_used(tmp_path):
    """With one secret in every form 300 MiB and more a second; the best of some tries, for the machine is shared."""
    path = tmp_path / "memory"
    path.write_bytes((os.urandom(1 << 20) + bytes(1 << 20) + Path(sys.executable).read_bytes()[: 1 << 20]) * 22)
    needles = needles_of(os.urandom(32))
    best = 0.0
    for _ in range(5):
        started = perf_counter()
        scan_file(path, needles)
        best = max(best, path.stat().st_size / (1 << 20) / (perf_counter() - started))
    assert best >= 300
