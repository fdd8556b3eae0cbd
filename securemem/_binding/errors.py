"""Status codes of the core as exceptions."""

from __future__ import annotations

import errno
import os
import warnings

from securemem import exceptions
from securemem._binding.load import ffi, lib, types
from securemem._read_back import read_protection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from securemem.protection import Protection

_MESSAGES: dict[int, tuple[type[exceptions.SecureMemError], str]] = {
    lib.SM_BAD_SIZE: (
        exceptions.SizeError,
        "a secret has at least one byte and fits into memory: give a size, source or slice of one byte or more",
    ),
    lib.SM_FORKED: (
        exceptions.ForkedError,
        "this was made before a fork and its memory stayed in the parent process: make new secrets and arenas in "
        "the child, or have children inherit them by Arena(fork='inherit')",
    ),
    lib.SM_WIPED: (exceptions.WipedError, "the secret was wiped: it cannot be used any more"),
    lib.SM_EXPORTED: (
        exceptions.ExportedError,
        "a view of the secret is still open: release every memoryview of it, and every slice of those",
    ),
    lib.SM_FROZEN: (exceptions.FrozenError, "the secret is frozen: only read-only views can be opened"),
    lib.SM_CLOSED: (exceptions.ArenaClosedError, "the arena is closed: make secrets in another one"),
    lib.SM_FULL: (
        exceptions.ArenaFullError,
        "the arena's max_bytes is reached: wipe secrets that are no longer needed, or make an arena with more",
    ),
    lib.SM_CONFIGURED: (
        exceptions.ConfigurationError,
        "the default arena is in use already: call configure() before the first secret is made, or make an Arena",
    ),
    lib.SM_BAD_SOURCE: (
        exceptions.SourceError,
        "the buffer must be contiguous, and writable where take() is to wipe it: use copy_of() for a read-only one, "
        "or copy it into a bytearray first",
    ),
    lib.SM_MAPPINGS: (
        exceptions.MappingLimitError,
        "the kernel would have to split a mapping, and this process has as many as it may: raise vm.max_map_count "
        "(sysctl), or lock fewer, larger ranges; what was locked before still is",
    ),
    lib.SM_HOLDS_SECRETS: (
        exceptions.InvalidArgumentError,
        "pages of secrets are unlocked by nobody: wipe the secrets, or close their arena; nothing was unlocked",
    ),
    lib.SM_NO_STACK: (
        exceptions.StackLimitError,
        "the thread's stack has no such room: ask for less, or raise RLIMIT_STACK (`ulimit -s KIB`), or for threads "
        "threading.stack_size()",
    ),
}

_REFUSALS: dict[int, tuple[type[exceptions.SystemRefusalError], str]] = {
    lib.SM_LOCK_FAILED: (exceptions.LockError, "the kernel could not lock the memory; free some and try again"),
    lib.SM_UNMAPPED: (
        exceptions.UnmappedError,
        "a page of the range is not mapped, has no access, or lies past the end of its file: nothing of the range was "
        "left locked by this call",
    ),
    lib.SM_NO_SMAPS: (
        exceptions.LockError,
        "/proc/self/smaps cannot be read, and nothing else tells what is locked: mount /proc; nothing was changed",
    ),
    lib.SM_REFUSED: (exceptions.ProtectionError, "the kernel refused a required protection"),
    lib.SM_NO_RANDOM: (exceptions.RandomError, "the kernel gave no random bytes"),
    lib.SM_NO_BACKEND: (
        exceptions.BackendUnavailableError,
        "memfd_secret is not available: it needs Linux 5.14 with CONFIG_SECRETMEM, and secretmem.enable=1 on the "
        "kernel's command line before 6.5, and no system call filter that forbids it (a container's seccomp profile); "
        'use backend="mlock"',
    ),
}

# What the kernel's specification of the five calls says beside ENOMEM and EPERM.
_LOCK_REFUSALS: dict[int, tuple[type[exceptions.LockError], str]] = {
    errno.EINVAL: (exceptions.LockRangeError, "the range runs past the end of the address space"),
    errno.EAGAIN: (
        exceptions.LockPopulateError,
        "some pages could not be brought into RAM: free some memory, or raise the cgroup's memory.max, and try again",
    ),
    errno.EINTR: (exceptions.LockInterruptedError, "a fatal signal interrupted the locking"),
    errno.ENOSYS: (
        exceptions.LockUnsupportedError,
        "the kernel does not have the call (mlock2 came with Linux 4.4), or a filter forbids it: lock without on_fault",
    ),
}


def raise_status(status: int) -> NoReturn:
    """Raise the exception for a status of the core, with what the kernel said in this thread."""
    if status in _MESSAGES:
        kind, message = _MESSAGES[status]
        raise kind(message)
    failure = lib.sm_failure_get()
    call = ffi.string(failure.call).decode() if failure.call != ffi.NULL else "a system call"
    if status == lib.SM_LOCK_LIMIT:
        over = exceptions.LockPermissionError if failure.error == errno.EPERM else exceptions.LockLimitError
        raise over(failure.limit, failure.used, failure.wanted, of_user=bool(failure.of_user))
    if status == lib.SM_NO_MEMORY:
        raise exceptions.OutOfMemoryError(
            f"no memory for the secret ({call}, {failure.wanted} bytes: {os.strerror(failure.error)}): free some, or "
            "raise RLIMIT_AS, the cgroup's memory.max or vm.max_map_count, whichever bounds this process"
        )
    if status == lib.SM_LOCK_LOST:
        raise exceptions.LockLostError(
            failure.error,
            f"{failure.wanted} bytes that should be locked are not, and could not be locked again ({call}: "
            f"{errno.errorcode.get(failure.error, failure.error)}): raise RLIMIT_MEMLOCK or free memory and verify "
            "again, or wipe",
            int(failure.wanted),
        )
    refusal, message = _REFUSALS[status]
    if status == lib.SM_LOCK_FAILED:
        refusal, message = _LOCK_REFUSALS.get(failure.error, (refusal, message))
    raise refusal(failure.error, f"{message} ({call}: {errno.errorcode.get(failure.error, failure.error)})")


def warn_unlocked() -> None:
    """Warn that an arena's memory is not locked."""
    warnings.warn(
        "secrets of this arena are not locked into RAM and may be swapped out: the kernel refused, and the arena was "
        'made with lock="warn"',
        exceptions.LockWarning,
        stacklevel=2,
    )


def check(status: int) -> None:
    """Raise unless the status is SM_OK."""
    if status != lib.SM_OK:
        raise_status(status)


def _smaps_around(low: int, high: int) -> bytes:
    """The part of the memory map around some addresses, line by line: for a process that gets no more memory."""
    kept, wanted = [], False
    with open("/proc/self/smaps", "rb") as lines:  # noqa: PTH123 - a stream of lines
        for line in lines:
            word = line.split(None, 1)[0]
            if not word.endswith(b":"):  # a mapping begins, with its addresses
                start, _, end = word.partition(b"-")
                wanted = int(end, 16) > low and int(start, 16) <= high
            if wanted:
                kept.append(line)
    return b"".join(kept)


def _read_protection(*location: Any) -> Protection:
    """What `SecureBytes.protection` calls. One call reads the file, so that an interruption leaves none open."""
    try:
        smaps = types.read_file("/proc/self/smaps")
    except (OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENOMEM:
            raise
        smaps = _smaps_around(location[2], location[3])  # the guards below and above
    return read_protection(smaps, *location)


types.install(raise_status, warn_unlocked, _read_protection, exceptions.SecretTextWarning)
