"""How much this process may lock, and has locked."""

from __future__ import annotations

import resource

from securemem._binding.load import lib
from securemem._memory_map import status_kib


def lock_limit() -> int | None:
    """RLIMIT_MEMLOCK in bytes, the soft limit; None where this process may lock more (CAP_IPC_LOCK, by trial)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return None if soft == resource.RLIM_INFINITY or lib.sm_lock_is_unlimited() else soft


def locked_by_process() -> int:
    """Bytes that the whole process has locked now (VmLck)."""
    return status_kib("VmLck") * 1024
