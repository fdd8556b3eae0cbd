"""How much this process may lock, and has locked."""

from __future__ import annotations

import resource

from securemem._binding.load import ffi, lib


def lock_limit() -> int | None:
    """RLIMIT_MEMLOCK in bytes, the soft limit; None where this process may lock more (CAP_IPC_LOCK, by trial)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return None if soft == resource.RLIM_INFINITY or lib.sm_lock_is_unlimited() else soft


def locked_by_process() -> int:
    """Bytes that the whole process has locked now (VmLck).

    Without /proc or a free descriptor to read it with: what secrets have locked, which is known all the same.
    """
    out = ffi.new("size_t *")
    lib.sm_locked_bytes(out)
    return int(out[0])


def locked_is_known() -> bool:
    """Whether what the whole process has locked can be read."""
    return bool(lib.sm_locked_bytes(ffi.new("size_t *")))
