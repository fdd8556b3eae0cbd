"""When a process ends by itself, its secrets are gone before its memory is.

The kernel stops a traced process at its end while its memory is still there (ptrace(2), PTRACE_O_TRACEEXIT): after
every finaliser and destructor ran, so what is found then was not wiped.
"""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import contextmanager

import pytest

PTRACE_CONT = 7
PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_O_TRACEEXIT = 1 << 6
PTRACE_EVENT_EXIT = 6

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request, pid, data):
    if _libc.ptrace(request, pid, None, data) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@contextmanager
def _stopped_at_end(attacked):
    """Let the prey run to its end, and hold it there."""
    try:
        _ptrace(PTRACE_SEIZE, attacked.pid, PTRACE_O_TRACEEXIT)
    except PermissionError as error:
        pytest.skip(f"this machine forbids ptrace: {error}")
    attacked.go_on()
    while True:
        _, status = os.waitpid(attacked.pid, 0)
        assert os.WIFSTOPPED(status), "it ended without the stop"
        if status >> 8 == signal.SIGTRAP | PTRACE_EVENT_EXIT << 8:
            break
        _ptrace(PTRACE_CONT, attacked.pid, os.WSTOPSIG(status))
    try:
        yield
    finally:
        _ptrace(PTRACE_DETACH, attacked.pid, None)  # no signal ends a process that is held at its end


HOLD = """
key = SecureBytes.random(32{arena})
control = fill(bytearray(32))
tell(key); tell(control)
"""
THREAD = """
def hold(secret, other):
    with memoryview(secret) as view, memoryview(other) as second:
        stand_still()
        may_end.set()
        threading.Event().wait()
may_end = threading.Event()
threading.Thread(target=hold, args=(key, control), daemon=True).start()
"""
ENDS = {
    "end of the program": "stand_still()",
    "an exception": "stand_still(); sys.stderr = None; raise RuntimeError",
    "sys.exit": "stand_still(); sys.exit(3)",
    "a view open": "view = memoryview(key); stand_still()",
    "a writable view open": "shown = key.reveal(writable=True); view = shown.__enter__(); stand_still()",
    "a daemon thread with views": THREAD + "may_end.wait()",
    "kept by an uncollected cycle": "import gc; gc.disable(); cycle = [key]; cycle.append(cycle); stand_still()",
    "exit() of C, Python not finalised": "import ctypes; stand_still(); ctypes.CDLL(None).exit(0)",
}


@pytest.mark.parametrize("at_rest", ["noaccess", "readwrite"])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_no_secret_is_left_when_a_process_ends(prey, end, at_rest):
    """However it ends by itself, with views and threads alive, no copy of the key is left; one held by C's heap is."""
    arena = f", arena=Arena(at_rest='{at_rest}')"
    # Python frees the control at its end without wiping it; a second one outside Python's heap stays as it is.
    attacked = prey(
        HOLD.format(arena=arena)
        + "import ctypes; outside = ctypes.CDLL(None).malloc; outside.restype = ctypes.c_void_p\n"
        + "lasting = outside(32); ctypes.memmove(lasting, ctypes.addressof(ctypes.c_char.from_buffer(control)), 32)\n"
        + end
    )
    attacked.learn()
    attacked.wait()
    held = attacked.scan()
    assert held.key == (1, 0)
    with _stopped_at_end(attacked):
        left = attacked.scan()
    assert left.key == (0, 0)
    assert left.control[1] >= 1


def test_exit_without_finalisers_leaves_it_to_the_kernel(prey):
    """The control of the stop itself: os._exit runs nothing, and the key is still in its locked memory then."""
    attacked = prey(HOLD.format(arena="") + "stand_still(); os._exit(0)")
    attacked.learn()
    attacked.wait()
    with _stopped_at_end(attacked):
        assert attacked.scan().key == (1, 0)
