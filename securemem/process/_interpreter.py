"""Facts about this process and its Python: limits, and what a trial or the interpreter itself can tell.

Sources: getrlimit(2), confstr(3), prctl(2); PEP 768 for remote debugging; Python's "Python Development Mode" and
cgitb, faulthandler, sys pages for what shows the values of local variables.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
import sysconfig
import threading
from typing import TYPE_CHECKING

from securemem._binding import process as binding
from securemem.arenas import Arena
from securemem.exceptions import SystemRefusalError
from securemem.process._facts import Interpreter, Locking, SecretMemory
from securemem.process._kernel_files import fields
from securemem.secure_bytes import scrub

if TYPE_CHECKING:
    from pathlib import Path

# Small blocks come from pymalloc, larger ones from the C library.
_TRIAL_SIZES = (200, 400, 1_500, 12_000)
_FREED_HEAD = 64  # where allocators keep notes of their own in a freed block
_TELLING = 16  # bytes that no memory holds by chance
_KEY_BYTES = 32


def c_library() -> str:
    """The C library's name, and its version where it tells: "glibc 2.36", "musl"."""
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):  # a name that musl does not know
        name = None
    if name:
        return name
    return "musl" if "musl" in f"{sysconfig.get_config_var('SOABI')} {sysconfig.get_platform()}" else "unknown"


def limit(kind: int) -> tuple[int | None, int | None]:
    """A resource limit, soft and hard; None for infinity."""
    soft, hard = (None if value == resource.RLIM_INFINITY else value for value in resource.getrlimit(kind))
    return soft, hard


def _error_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))


def locking(root: Path) -> Locking:
    """The limit on locked memory, and what fits under it now. Makes no secret and leaves the default arena alone."""
    soft, hard = limit(resource.RLIMIT_MEMLOCK)
    locked = fields(root, "/proc/self/status").get("VmLck", "").split()
    refusal = None
    fits: int | None = None
    try:
        fits = Arena().fits(_KEY_BYTES)
    except SystemRefusalError as error:
        refusal = _error_name(error)
    if not binding.locked_is_known():  # then what fits is a guess
        fits = None
    return Locking(
        soft_limit=soft,
        hard_limit=hard,
        unlimited=binding.lock_limit() is None,
        locked=int(locked[0]) * 1024 if locked else None,
        secrets_of_32=fits,
        refusal=refusal,
    )


def secret_memory() -> SecretMemory:
    """Whether a page of memfd_secret can be had, by mapping one and giving it back."""
    try:
        of_user = binding.try_secret_memory()
    except SystemRefusalError as error:
        return SecretMemory(available=False, error=_error_name(error))
    return SecretMemory(available=True, error=None, of_user=of_user)


def _keeps_freed(size: int) -> bool:
    """Free a block of known content and look at what is left there. All else is allocated before, so none reuses it."""
    expected = bytes((index * 7 + size) & 0xFF for index in range(size))
    seen = bytearray(sys.getsizeof(expected))
    block = expected[:1] + expected[1:]  # an object of its own
    address = id(block)
    del block
    binding.peek(address, seen)
    return expected[_FREED_HEAD : _FREED_HEAD + _TELLING] in seen


def wipes_freed() -> bool | None:
    """Whether memory that was freed no longer holds what it held; None where the kernel does not let us look."""
    for size in _TRIAL_SIZES:
        try:
            if _keeps_freed(size):
                return False
        except SystemRefusalError as error:
            if error.errno != errno.EFAULT:  # that one: the allocator gave the pages back, and nothing is left to read
                return None
    return True


def spills() -> tuple[str, ...]:
    """Settings and modules by which the values of local variables get out of this process."""
    hooks = {
        "sys.excepthook": sys.excepthook is not sys.__excepthook__,
        "threading.excepthook": threading.excepthook is not threading.__excepthook__,
        "sys.settrace": sys.gettrace() is not None,
        "sys.setprofile": sys.getprofile() is not None,
        "python -i": bool(sys.flags.interactive or sys.flags.inspect),
        "cgitb": "cgitb" in sys.modules,
        "sentry_sdk": "sentry_sdk" in sys.modules,
    }
    return tuple(name for name, found in hooks.items() if found)


def remote_debugging() -> bool:
    """Whether a debugger may be attached from outside through Python itself (3.14 and newer)."""
    enabled = getattr(sys, "is_remote_debug_enabled", None)
    return bool(enabled is not None and enabled())


def interpreter() -> Interpreter:
    """What this Python does with memory and with local variables."""
    return Interpreter(
        version=".".join(map(str, sys.version_info[:3])),
        allocator=os.environ.get("PYTHONMALLOC"),
        wipes_freed=wipes_freed(),
        clears_stack=scrub(),
        spills=spills(),
        remote_debugging=remote_debugging(),
    )
