"""A locked secret does not reach the swap device, however hard the kernel is pressed; the control beside it does."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from securemem._memory_map import mappings

MADV_PAGEOUT = 21
PROCESS_MADVISE = 440  # the same on every architecture
SWAP_BYTES = 64 << 20
PATIENCE = 20  # seconds for the kernel to write the control out

_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def swap_file(tmp_path):
    """A swap file of our own in use, taken out of use after the test."""
    if os.geteuid() != 0:
        pytest.skip("only root may add swap")
    if shutil.which("mkswap") is None or shutil.which("swapon") is None:
        pytest.skip("mkswap and swapon (Debian: util-linux, mount) are not installed")
    path = tmp_path / "swap"
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        for _ in range(SWAP_BYTES >> 20):
            file.write(bytes(1 << 20))
        os.fsync(file.fileno())
    subprocess.run(["mkswap", path], check=True, capture_output=True)
    # Before any other swap of the machine, so that what is paged out comes here.
    added = subprocess.run(["swapon", "--priority", "32767", path], check=False, capture_output=True, text=True)
    if added.returncode != 0:
        path.unlink()
        pytest.skip(f"this machine does not swap to a file in {tmp_path}: {added.stderr.strip()}")
    yield path
    subprocess.run(["swapoff", path], check=True, capture_output=True)
    path.unlink()


class _Range(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _page_out(pid):
    """Ask the kernel to page out all of another process; the mappings that it refused with EINVAL, as locked ones."""
    descriptor = os.pidfd_open(pid)
    refused = []
    for one in list(mappings(pid)):
        if one.name.startswith("[v"):
            continue  # the kernel's own
        span = _Range(one.start, one.end - one.start)
        if _libc.syscall(PROCESS_MADVISE, descriptor, ctypes.byref(span), 1, MADV_PAGEOUT, 0) < 0:
            refused.append(one)
    os.close(descriptor)
    return refused


def _search(attacked, path):
    """Search the swap file as it is on the disk, not as it was cached when it was made."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    return attacked.search(Path(path))


MAKERS = {
    "32 bytes": ("SecureBytes.random(32)", 32),
    "open arena": ("SecureBytes.random(32, arena=Arena(at_rest='readwrite'))", 32),
    "64 KiB": ("SecureBytes.random(65536)", 65536),
}


@pytest.mark.parametrize("child", [False, True], ids=["process", "forked child"])
@pytest.mark.parametrize(("make", "size"), MAKERS.values(), ids=MAKERS)
def test_key_does_not_reach_swap(prey, swap_file, make, size, child):
    """All of a process, or of its forked child, is paged out: the control is in the swap file, the key is not."""
    attacked = prey(f"""
key = {make}
control = fill(bytearray({size}))
tell(key); tell(control)
if {child} and os.fork():
    os.wait()
    os._exit(0)
control[0] = control[0]  # the kernel pages out no page that a child still shares with its parent
stand_still(os.getpid())
""")
    attacked.learn(size)
    pid = int(attacked.wait())
    refused = _page_out(pid)
    assert child or any(one.locked for one in refused)
    deadline = time.monotonic() + PATIENCE
    while (found := _search(attacked, swap_file)).control[1] == 0 and time.monotonic() < deadline:
        time.sleep(0.2)
        _page_out(pid)
    assert found.control[1] >= 1
    assert found.key == (0, 0)
    locked, elsewhere = (0, 0) if child else (1, 0)
    assert attacked.scan(pid).key == (locked, elsewhere)
    attacked.go_on()
