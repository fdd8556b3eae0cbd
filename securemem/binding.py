"""The one module that touches the compiled code: it loads it, and turns its status codes into exceptions.

The shared object holds two modules: `_core`, made by cffi, for what concerns arenas, and `_types`, for the objects
whose buffers hold secrets.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
import warnings
from importlib import import_module
from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any, NoReturn

from securemem import exceptions
from securemem.memory_map import status_kib
from securemem.protection import read_protection

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from securemem._types import ArenaHandle, Reveal, SecureBytes


def _load_types() -> ModuleType:
    name = "securemem._types"
    compiled = find_spec("securemem._core")
    if compiled is None or compiled.origin is None:
        raise ImportError("securemem._core is not there: build it with `pip install`")
    loader = ExtensionFileLoader(name, compiled.origin)
    spec = spec_from_file_location(name, compiled.origin, loader=loader)
    if spec is None:
        raise ImportError(f"{name} cannot be loaded from {compiled.origin}")
    module = module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[name] = module
    return module


# The types first: they are what refuses a sub-interpreter.
_types = _load_types()
_core = import_module("securemem._core")
_ffi: Any = _core.ffi
_lib: Any = _core.lib


def lock_limit() -> int | None:
    """RLIMIT_MEMLOCK in bytes, the soft limit; None where this process may lock more (CAP_IPC_LOCK, by trial)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return None if soft == resource.RLIM_INFINITY or _lib.sm_lock_is_unlimited() else soft


def locked_by_process() -> int:
    """Bytes that the whole process has locked now (VmLck)."""
    return status_kib("VmLck") * 1024


_MESSAGES: dict[int, tuple[type[exceptions.SecureMemError], str]] = {
    _lib.SM_BAD_SIZE: (
        exceptions.SizeError,
        "a secret has at least one byte and fits into memory: give a size, source or slice of one byte or more",
    ),
    _lib.SM_FORKED: (
        exceptions.ForkedError,
        "this was made before a fork and its memory stayed in the parent process: make new secrets and arenas in "
        "the child",
    ),
    _lib.SM_WIPED: (exceptions.WipedError, "the secret was wiped: it cannot be used any more"),
    _lib.SM_EXPORTED: (
        exceptions.ExportedError,
        "a view of the secret is still open: release every memoryview of it, and every slice of those",
    ),
    _lib.SM_FROZEN: (exceptions.FrozenError, "the secret is frozen: only read-only views can be opened"),
    _lib.SM_CLOSED: (exceptions.ArenaClosedError, "the arena is closed: make secrets in another one"),
    _lib.SM_FULL: (
        exceptions.ArenaFullError,
        "the arena's max_bytes is reached: wipe secrets that are no longer needed, or make an arena with more",
    ),
    _lib.SM_CONFIGURED: (
        exceptions.ConfigurationError,
        "the default arena is in use already: call configure() before the first secret is made, or make an Arena",
    ),
    _lib.SM_BAD_SOURCE: (
        exceptions.SourceError,
        "the buffer must be contiguous, and writable where take() is to wipe it: use copy_of() for a read-only one, "
        "or copy it into a bytearray first",
    ),
    _lib.SM_MAPPINGS: (
        exceptions.MappingLimitError,
        "the kernel would have to split a mapping, and this process has as many as it may: raise vm.max_map_count "
        "(sysctl), or lock fewer, larger ranges; what was locked before still is",
    ),
    _lib.SM_NO_STACK: (
        exceptions.StackLimitError,
        "the thread's stack has no such room: ask for less, or raise RLIMIT_STACK (`ulimit -s KIB`), or for threads "
        "threading.stack_size()",
    ),
}
_REFUSALS: dict[int, tuple[type[exceptions.SystemRefusalError], str]] = {
    _lib.SM_LOCK_FAILED: (exceptions.LockError, "the kernel could not lock the memory; free some and try again"),
    _lib.SM_UNMAPPED: (
        exceptions.UnmappedError,
        "a page of the range is not mapped, has no access, or lies past the end of its file: nothing of the range was "
        "left locked by this call",
    ),
    _lib.SM_NO_SMAPS: (
        exceptions.LockError,
        "/proc/self/smaps cannot be read, and nothing else tells what is locked: mount /proc; nothing was changed",
    ),
    _lib.SM_REFUSED: (exceptions.ProtectionError, "the kernel refused a required protection"),
    _lib.SM_NO_RANDOM: (exceptions.RandomError, "the kernel gave no random bytes"),
    _lib.SM_NO_BACKEND: (
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
    failure = _ffi.new("struct sm_failure *", _lib.sm_failure_get()[0])  # a copy: what is asked below may fail too
    call = _ffi.string(failure.call).decode() if failure.call != _ffi.NULL else "a system call"
    if status == _lib.SM_LOCK_LIMIT:
        limit, used = lock_limit(), locked_by_process()
        if limit is not None and used + failure.wanted > limit:
            over = exceptions.LockPermissionError if failure.error == errno.EPERM else exceptions.LockLimitError
            raise over(limit, used, failure.wanted)
        status = _lib.SM_LOCK_FAILED  # the kernel says ENOMEM too for frames or mappings that it does not have
    if status == _lib.SM_NO_MEMORY:
        raise exceptions.OutOfMemoryError(
            f"no memory for the secret ({call}, {failure.wanted} bytes: {os.strerror(failure.error)}): free some, or "
            "raise RLIMIT_AS, the cgroup's memory.max or vm.max_map_count, whichever bounds this process"
        )
    if status == _lib.SM_LOCK_LOST:
        raise exceptions.LockLostError(
            failure.error,
            f"{failure.wanted} bytes that should be locked are not, and could not be locked again ({call}: "
            f"{errno.errorcode.get(failure.error, failure.error)}): raise RLIMIT_MEMLOCK or free memory and verify "
            "again, or wipe",
            int(failure.wanted),
        )
    refusal, message = _REFUSALS[status]
    if status == _lib.SM_LOCK_FAILED:
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


_types.install(raise_status, warn_unlocked, read_protection)

if not TYPE_CHECKING:
    SecureBytes = _types.SecureBytes
    ArenaHandle = _types.ArenaHandle
    Reveal = _types.Reveal


def check(status: int) -> None:
    """Raise unless the status is SM_OK."""
    if status != _lib.SM_OK:
        raise_status(status)


AT_REST: dict[str, int] = {"closed": _lib.SM_AT_REST_CLOSED, "open": _lib.SM_AT_REST_OPEN}
LOCK: dict[str, int] = {"require": _lib.SM_LOCK_REQUIRE, "warn": _lib.SM_LOCK_WARN}
BACKEND: dict[str, int] = {"mlock": _lib.SM_BACKEND_MLOCK, "memfd_secret": _lib.SM_BACKEND_MEMFD_SECRET}


# The compiled type's own: a subclass may have an attribute of that name, and a pointer is made of this.
_address_of = _types.ArenaHandle._address.__get__  # noqa: SLF001 - the handle's private face is for this module


def _pointer(handle: ArenaHandle | None) -> Any:
    if handle is None:
        return _ffi.NULL
    address = _address_of(handle)
    if address == 0:
        raise TypeError("this Arena was never initialised: call Arena.__init__")
    return _ffi.cast("sm_arena *", address)


def configure(at_rest: int, lock: int, backend: int, max_bytes: int) -> None:
    """Set the policy of the default arena; ConfigurationError once it exists."""
    policy = {"at_rest": at_rest, "lock": lock, "backend": backend, "max_bytes": max_bytes}
    check(_lib.sm_arena_configure(_ffi.new("struct sm_policy *", policy)))


def close(handle: ArenaHandle) -> int:
    """Wipe an arena's secrets and refuse new ones; the number of views whose release is waited for."""
    waiting = _ffi.new("size_t *")
    check(_lib.sm_arena_close(_pointer(handle), waiting))
    return int(waiting[0])


def statistics(handle: ArenaHandle | None) -> dict[str, int]:
    """The struct sm_statistics of one arena, or of all."""
    out = _ffi.new("struct sm_statistics *")
    check(_lib.sm_arena_statistics(_pointer(handle), out))
    return {name: int(getattr(out, name)) for name, _ in _ffi.typeof("struct sm_statistics").fields}


def fits(handle: ArenaHandle | None, size: int, lockable: int) -> int:
    """How many more secrets of a size fit if that many more bytes may be locked."""
    arena = _pointer(handle)
    if handle is None:
        default = _ffi.new("sm_arena **")
        check(_lib.sm_arena_default(default))
        arena = default[0]
    out = _ffi.new("size_t *")
    check(_lib.sm_arena_fits(arena, out, size, lockable))
    return int(out[0])


def purge() -> int:
    """Wipe every secret of the process; the number of views whose release is waited for."""
    return int(_lib.sm_secret_purge())


def set_dumpable(dumpable: bool) -> None:  # noqa: FBT001 - the flag is all there is to say
    """Let this process be dumped and traced, or not (PR_SET_DUMPABLE); ProtectionError where the kernel refuses."""
    check(_lib.sm_process_set_dumpable(dumpable))


def dumpable() -> int:
    """0: neither dumped nor traced; 1: both; 2: dumped for root only (PR_GET_DUMPABLE)."""
    out = _ffi.new("int *")
    check(_lib.sm_process_dumpable(out))
    return int(out[0])


def set_merging(merging: bool) -> None:  # noqa: FBT001 - the flag is all there is to say
    """Let the kernel merge all equal pages of this process, or not; ProtectionError where it has no such flag."""
    check(_lib.sm_process_set_merging(merging))


def merging() -> bool:
    """Whether the kernel merges all equal pages of this process (PR_GET_MEMORY_MERGE)."""
    out = _ffi.new("bool *")
    check(_lib.sm_process_merging(out))
    return bool(out[0])


def peek(address: int, out: bytearray) -> None:
    """Fill `out` with the bytes at an address now, whoever owns them; ProtectionError where none can be read."""
    check(_lib.sm_process_peek(_ffi.from_buffer(out), address, len(out)))


def try_secret_memory() -> None:
    """Map a page of memfd_secret and give it back; BackendUnavailableError, with the errno, where it cannot be had."""
    check(_lib.sm_process_try_secret_memory())


def scrub(depth: int = 64 * 1024) -> int:
    """Clear vector registers and up to depth bytes of this thread's dead stack; the bytes cleared."""
    return int(_lib.sm_scrub(depth))


# Looked up once: a page lock costs little more than its two system calls.
_from_buffer, _generation = _ffi.from_buffer, _ffi.typeof("uint64_t *")
_page_lock, _page_unlock = _lib.sm_page_lock, _lib.sm_page_unlock


def page_lock(buffer: Any, on_fault: bool) -> tuple[Any, int]:  # noqa: FBT001 - a flag of the core's function
    """Lock a buffer's pages; the export that keeps it in place, and the fork generation of the lock."""
    try:
        export = _from_buffer(buffer)
    except exceptions.SecureMemError:  # a secret's own, which says more
        raise
    except (BufferError, ValueError) as error:
        raise exceptions.SourceError("the buffer must be contiguous, to be locked where it lies") from error
    generation = _ffi.new(_generation)
    status = _page_lock(generation, export, len(export), on_fault)
    if status:
        _ffi.release(export)
        raise_status(status)
    return export, generation[0]


def page_unlock(export: Any, on_fault: bool, generation: int) -> None:  # noqa: FBT001 - the same
    """Drop a lock; the buffer goes with the export."""
    status = _page_unlock(export, len(export), on_fault, generation)
    if status:
        _ffi.release(export)  # the traceback would keep it
        raise_status(status)


def page_lock_lives(generation: int) -> bool:
    """Whether a lock was made by this process, and not by one it was forked from."""
    return bool(_lib.sm_page_lock_lives(generation))


def page_is_locked(buffer: Any) -> bool:
    """Whether every page of a buffer is locked, by smaps."""
    out = _ffi.new("bool *")
    try:
        export = _ffi.from_buffer(buffer)
    except exceptions.SecureMemError:  # the same
        raise
    except (BufferError, ValueError) as error:
        raise exceptions.SourceError("the buffer must be contiguous") from error
    with export:
        check(_lib.sm_page_is_locked(out, export, len(export)))
    return bool(out[0])


def lock_all(current: bool, future: bool, on_fault: bool) -> None:  # noqa: FBT001 - the same
    """Call mlockall."""
    check(_lib.sm_lock_all(current, future, on_fault))


def unlock_all(allow_gap: bool) -> tuple[int, int, int]:  # noqa: FBT001 - the same
    """Do munlockall's work but for what is ours: bytes unlocked, bytes that lay unlocked meanwhile, for how many ns."""
    out = _ffi.new("struct sm_unlocking *")
    check(_lib.sm_unlock_all(out, allow_gap))
    return int(out.unlocked_bytes), int(out.gap_bytes), int(out.gap_nanoseconds)


def reserve_stack(size: int) -> None:
    """Touch that many bytes of this thread's stack."""
    check(_lib.sm_stack_reserve(size))


def verify() -> dict[str, int]:
    """The struct sm_verification, after repairing."""
    out = _ffi.new("struct sm_verification *")
    check(_lib.sm_verify(out))
    return {name: int(getattr(out, name)) for name, _ in _ffi.typeof("struct sm_verification").fields}


def wipe(buffer: Any) -> None:
    """Zero a writable, contiguous buffer, in a way that is not optimised away."""
    data = _ffi.from_buffer(buffer, require_writable=True)
    _lib.sm_wipe(data, len(data))


def move(target: Any, source: bytes) -> None:
    """Copy a fresh bytes object, which nobody else holds, into a writable buffer, and zero it where it lies.

    source: two bytes or more, since Python shares the shorter ones, and not longer than target.
    """
    _lib.sm_move(_ffi.from_buffer(target), source, len(source))


def pin(buffer: Any) -> Any:
    """The address of a writable buffer, which stays exported for as long as the returned object lives."""
    return _ffi.from_buffer(buffer)


# C functions as they are, for what is called thousands of times a second: core/wipe.h and core/blocks.h tell of them.
# The first argument of each but scrub_stack is what pin() gave; for wipe_in_place it may also be a bytes object that
# nobody else holds, as for move().
scrub_stack: Callable[[int], int] = _lib.sm_scrub
wipe_in_place: Callable[[Any, int], None] = _lib.sm_wipe
xaes_inputs: Callable[[Any, bytes], None] = _lib.sm_xaes_inputs
unwrap_load: Callable[[Any, int, int], None] = _lib.sm_unwrap_load
unwrap_store: Callable[[Any, int], None] = _lib.sm_unwrap_store
UNWRAP_HEAD: int = _lib.SM_UNWRAP_HEAD
