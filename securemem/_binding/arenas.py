"""Arenas and what they hold."""

from __future__ import annotations

from securemem._binding.errors import check
from securemem._binding.limits import lock_limit, locked_by_process
from securemem._binding.load import ffi, lib, types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from securemem._types import ArenaHandle, Reveal, SecureBytes
else:
    SecureBytes = types.SecureBytes
    ArenaHandle = types.ArenaHandle
    Reveal = types.Reveal

__all__ = [
    "AT_REST",
    "BACKEND",
    "FORK",
    "LOCK",
    "ArenaHandle",
    "Reveal",
    "SecureBytes",
    "close",
    "configure",
    "fits",
    "lock_limit",
    "locked_by_process",
    "purge",
    "statistics",
]


AT_REST: dict[str, int] = {"noaccess": lib.SM_AT_REST_NOACCESS, "readwrite": lib.SM_AT_REST_READWRITE}

LOCK: dict[str, int] = {"require": lib.SM_LOCK_REQUIRE, "warn": lib.SM_LOCK_WARN}

BACKEND: dict[str, int] = {"mlock": lib.SM_BACKEND_MLOCK, "memfd_secret": lib.SM_BACKEND_MEMFD_SECRET}

FORK: dict[str, int] = {"exclude": lib.SM_FORK_EXCLUDE, "inherit": lib.SM_FORK_INHERIT}

# The compiled type's own: a subclass may have an attribute of that name, and a pointer is made of this.
_address_of = types.ArenaHandle._address.__get__  # noqa: SLF001 - the handle's private face is for this module

_close: Callable[[ArenaHandle], int] = types.ArenaHandle._close  # noqa: SLF001 - the same


def _pointer(handle: ArenaHandle | None) -> Any:
    if handle is None:
        return ffi.NULL
    address = _address_of(handle)
    if address == 0:
        raise TypeError("this Arena was never initialised: call Arena.__init__")
    return ffi.cast("sm_arena *", address)


def configure(at_rest: int, lock: int, backend: int, max_bytes: int, fork: int) -> None:
    """Set the policy of the default arena; ConfigurationError once it exists."""
    policy = {"at_rest": at_rest, "lock": lock, "backend": backend, "max_bytes": max_bytes, "fork": fork}
    check(lib.sm_arena_configure(ffi.new("struct sm_policy *", policy)))


def close(handle: ArenaHandle) -> int:
    """Wipe an arena's secrets and refuse new ones; the number of views whose release is waited for."""
    return _close(handle)


def statistics(handle: ArenaHandle | None) -> dict[str, int]:
    """The struct sm_statistics of one arena, or of all."""
    out = ffi.new("struct sm_statistics *")
    check(lib.sm_arena_statistics(_pointer(handle), out))
    return {name: int(getattr(out, name)) for name, _ in ffi.typeof("struct sm_statistics").fields}


def fits(handle: ArenaHandle | None, size: int, lockable: int) -> int:
    """How many more secrets of a size fit if that many more bytes may be locked."""
    arena = _pointer(handle)
    if handle is None:
        default = ffi.new("sm_arena **")
        check(lib.sm_arena_default(default))
        arena = default[0]
    out = ffi.new("size_t *")
    check(lib.sm_arena_fits(arena, out, size, lockable))
    return int(out[0])


def purge() -> int:
    """Wipe every secret of the process; the number of views whose release is waited for."""
    return int(types.purge())
