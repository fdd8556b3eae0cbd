"""Makes this process that of an ordinary user, bound by RLIMIT_MEMLOCK; imported by child programs only."""

from __future__ import annotations

import os
import resource
from pathlib import Path

NOBODY = 65534


def become(lock_limit: int) -> None:
    """Set RLIMIT_MEMLOCK in bytes, then give up root and with it CAP_IPC_LOCK for good.

    Import everything first: the new user may not be able to read it. RuntimeError if the capability stays.
    """
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (lock_limit, lock_limit))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    effective = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    if effective >> 14 & 1:
        raise RuntimeError("CAP_IPC_LOCK stays with this user: RLIMIT_MEMLOCK does not bind it")
