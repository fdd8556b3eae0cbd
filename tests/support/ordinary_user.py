"""Makes this process that of an ordinary user, bound by RLIMIT_MEMLOCK, or starts programs as one."""

from __future__ import annotations

import functools
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import environment

NOBODY = 65534


def become(lock_limit: int) -> None:
    """Set RLIMIT_MEMLOCK in bytes, then give up root and with it CAP_IPC_LOCK for good.

    For child programs. Import everything first: the new user may not be able to read it. RuntimeError if the
    capability stays.
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


def _start(interpreter: str, arguments: tuple[str, ...], **options: Any) -> subprocess.CompletedProcess[str]:
    who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    # The packages of this interpreter, for another one of the same version.
    path = os.pathsep.join(["", *(one for one in sys.path if one)])
    given = environment() | {"PYTHONPATH": environment().get("PYTHONPATH", "") + path}
    command = [interpreter, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=given, check=False, cwd="/", **who, **options)


@functools.cache
def _interpreter() -> str | None:
    """A Python that an ordinary user may start, and that finds securemem; root's own is often out of reach."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for one in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            if _start(one, ("-c", "import securemem")).returncode == 0:
                return one
        except OSError:
            continue
    return None


def run_as_ordinary_user(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python as a user without privileges; skip the test where that user can start none that has securemem."""
    interpreter = _interpreter()
    if interpreter is None:
        pytest.skip("an ordinary user can start no Python here that finds securemem")
    return _start(interpreter, arguments, **options)
