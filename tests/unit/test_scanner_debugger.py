"""The scanner where /proc/PID/mem does not give pages without access: Linux 7.2, and 6.12 as it may be configured.

The kernel under the tests may be an older one. Its refusals are then played: a read of such pages fails as it does
there, for everybody (proc_mem.force_override=never) or for who is not the tracer (=ptrace).
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from securemem._memory_map import mappings, status_kib
from securemem.scanning import _debugger, _scanner, forms_of, scan_process
from securemem.scanning._debugger import Debugger

SECRET = bytes(range(100, 132))
# Holds the secret twice, made from another value: in pages without access, and in others.
PREY = """
import ctypes, mmap, os, signal, sys
pages, other = mmap.mmap(-1, 3 << 12, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), bytearray(100)
for place, at in ((pages, 4096 - 13), (other, 20)):
    view = memoryview(place)[at : at + 32]
    view[:] = bytes(b ^ 0x55 for b in bytes.fromhex(sys.argv[1]))
    del view
address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(address), 3 << 12, 0) == 0
signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"signal\\n"))
print(address, flush=True)
while line := sys.stdin.readline(): print(line, end="", flush=True)
"""


@pytest.fixture
def prey():
    """The process, and the address of its pages."""
    masked = bytes(byte ^ 0x55 for byte in SECRET).hex()
    command = [sys.executable, "-c", PREY, masked]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.address = int(process.stdout.readline())
        yield process
        process.kill()


@pytest.fixture
def refusing(prey, monkeypatch):
    """A kernel that does not give the prey's pages by its /proc/PID/mem, to its tracer neither or to it alone."""
    pread = os.pread
    asked = []

    def play(*, tracer_may):
        def read(descriptor, size, offset):
            if prey.address - size < offset < prey.address + (3 << 12):
                asked.append(offset)
                if not tracer_may or f"TracerPid:\t{os.getpid()}" not in status(prey.pid):
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
            return pread(descriptor, size, offset)

        monkeypatch.setattr(_scanner.os, "pread", read)
        return asked

    return play


def status(pid):
    """The text of the process's status."""
    return Path(f"/proc/{pid}/status").read_text(encoding="utf-8")


def answers(prey):
    """The process runs: it answers, and nobody traces it."""
    prey.stdin.write("hello\n")
    prey.stdin.flush()
    assert prey.stdout.readline() == "hello\n"
    assert "TracerPid:\t0" in status(prey.pid)


def closed(copies):
    """Copies of the raw form in pages without access, and in others."""
    raw = [place for place in copies.where if place.form == "raw"]
    return sum(one.count for one in raw if not one.accessible), sum(one.count for one in raw if one.accessible)


@pytest.mark.parametrize("tracer_may", [False, True], ids=["never", "ptrace"])
def test_pages_without_access_are_found_all_the_same(prey, refusing, tracer_may):
    """As the process's tracer the scanner reads them, by the file or word by word; then the process goes on."""
    asked = refusing(tracer_may=tracer_may)
    copies = scan_process(prey.pid, forms_of(SECRET))
    assert closed(copies)[0] == 1
    assert closed(copies)[1] >= 1
    assert copies.attached
    assert asked
    answers(prey)


def test_where_it_may_not_attach_it_counts_what_it_could_not_read(prey, refusing, monkeypatch):
    """Without ptrace the pages are counted as unreadable, and the other copy is found: no false good news."""
    refusing(tracer_may=False)

    def refuse(_):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(_debugger, "Debugger", refuse)
    copies = scan_process(prey.pid, forms_of(SECRET))
    assert closed(copies)[0] == 0
    assert closed(copies)[1] >= 1
    assert copies.unreadable >= 3 << 12
    assert not copies.attached


def test_a_kernel_that_gives_all_is_not_asked_for_more(prey):
    """Where the file gives every page the process is never stopped: the control of the tests above."""
    one = next(one for one in mappings(prey.pid) if one.start <= prey.address < one.end)
    copies = scan_process(prey.pid, forms_of(SECRET))
    assert not one.accessible
    if copies.attached:
        pytest.skip("this kernel does not give pages without access")
    assert closed(copies)[0] == 1


def test_a_second_tracer_is_refused(prey):
    """A process has one tracer: PermissionError, and the first one's hold is as it was."""
    first = Debugger(prey.pid)
    try:
        with pytest.raises(PermissionError):
            Debugger(prey.pid)
        assert first.read(prey.address + 4096 - 13, 32) == SECRET
    finally:
        first.let_go()
    answers(prey)


@pytest.mark.parametrize(("at", "size"), [(0, 8), (1, 7), (3, 32), (4090, 40), (0, 12288)])
def test_words_make_the_bytes(prey, at, size):
    """Whatever the address and the size, the bytes are those of the memory."""
    expected = bytes(4096 - 13) + SECRET + bytes(12288)
    debugger = Debugger(prey.pid)
    try:
        assert debugger.read(prey.address + at, size) == expected[at : at + size]
    finally:
        debugger.let_go()


def test_memory_that_is_not_there(prey):
    """An address without a mapping is an OSError, which the scanner counts as unreadable."""
    debugger = Debugger(prey.pid)
    try:
        with pytest.raises(OSError, match=r"Input/output|Bad address") as refused:
            debugger.read(8, 8)
        assert refused.value.errno in _scanner._NOT_GIVEN
    finally:
        debugger.let_go()


def test_a_signal_that_comes_meanwhile_is_not_lost(prey):
    """The signal that was on its way is delivered when the process is let go."""
    debugger = Debugger(prey.pid)
    os.kill(prey.pid, signal.SIGUSR1)
    debugger.let_go()
    assert prey.stdout.readline() == "signal\n"
    answers(prey)


def test_a_stopped_process_stays_stopped(prey):
    """One that its shell stopped is read as well, and goes on when it is told to, not before."""
    prey.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, prey.pid, os.WSTOPPED)
    debugger = Debugger(prey.pid)
    assert debugger.read(prey.address + 4096 - 13, 32) == SECRET
    debugger.let_go()
    time.sleep(0.05)
    assert "State:\tT" in status(prey.pid)
    prey.send_signal(signal.SIGCONT)
    answers(prey)


def test_a_process_that_has_ended(prey):
    """ProcessLookupError for one that is gone; its exit status is left to whoever waits for it."""
    prey.stdin.close()
    os.waitid(os.P_PID, prey.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises((ProcessLookupError, PermissionError)):
        Debugger(prey.pid)
    assert prey.wait() == 0


def test_secret_memory_counts_as_locked():
    """memfd_secret is locked by what it is, with VM_LOCKED or, on newer kernels, without."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(447, 0)  # memfd_secret, on every architecture
    if descriptor < 0 or status_kib("VmSize") == 0:
        pytest.skip("no memfd_secret here")
    try:
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
        assert libc.ftruncate(descriptor, 4096) == 0
        address = libc.mmap(None, 4096, 3, 1, descriptor, 0)
        if address == ctypes.c_void_p(-1).value:
            pytest.skip("no room for secret memory")
        one = next(one for one in mappings() if one.start == address)
        assert one.secret
        assert one.locked
        assert not any(other.secret for other in mappings() if not other.name.startswith("/secretmem"))
        libc.munmap(ctypes.c_void_p(address), 4096)
    finally:
        os.close(descriptor)
