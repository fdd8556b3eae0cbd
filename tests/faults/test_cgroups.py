"""A cgroup's memory limit: a typed error where the kernel refuses memory, and SIGKILL where it kills."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.programs import run


@contextlib.contextmanager
def memory_cgroup(limit: int):
    """A memory cgroup of version 2, or 1, with a limit; its folder and its version."""
    base = Path("/sys/fs/cgroup")
    for root, version in ((base, 2), (base / "unified", 2), (base / "memory", 1)):
        enabled = root / "cgroup.subtree_control"
        if version == 2 and not (enabled.exists() and "memory" in enabled.read_text().split()):
            continue
        folder = root / f"securemem-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).write_text(str(limit))
            yield folder, version
        finally:
            for _ in range(100):  # the kernel lets go of the last process a moment after it ended
                try:
                    folder.rmdir()
                    break
                except OSError:
                    time.sleep(0.02)
        return
    pytest.skip("no memory cgroup can be made here: no controller, or not root")


JOIN = """
import os
from pathlib import Path
from securemem import SecureBytes, SecureMemError, statistics
from securemem.exceptions import LockPopulateError
Path({folder!r}, "cgroup.procs").write_text(str(os.getpid()))
size = 1 << 20
pattern = bytes(range(256)) * (size // 256)
made = []
def fill_up():
    "Takes no memory but the secrets': at the limit, Python has none."
    try:
        for number in range(100):
            made.append(SecureBytes.copy_of(pattern))
    except SecureMemError as error:
        return error
"""


def test_cgroup_limit_without_the_oom_killer():
    """A cgroup that refuses memory (version 1, OOM killer off): EAGAIN, earlier secrets intact, and recovery."""
    with memory_cgroup(48 << 20) as (folder, version):
        if version != 1:
            pytest.skip("version 2 has no way to refuse memory without killing")
        (folder / "memory.oom_control").write_text("1")
        run(
            JOIN.format(folder=str(folder))
            + """
for turn in range(2):
    error = fill_up()
    filled = len(made)
    del made[-8:]  # room to look around in
    assert type(error) is LockPopulateError, repr(error)
    assert error.errno == 11 and "MADV_POPULATE_WRITE" in str(error), error
    assert filled > 20, filled
    assert all(secret == pattern for secret in made)
    now = statistics()
    assert now.locked_bytes == now.page_bytes <= now.process_locked, now
    assert made[0].protection.locked and made[-1].protection.locked
""",
            timeout=30,
        )


def test_cgroup_limit_with_the_oom_killer():
    """Where the kernel kills at a cgroup's limit there is no error to raise: SIGKILL, and nothing else."""
    with memory_cgroup(48 << 20) as (folder, _):
        run(JOIN.format(folder=str(folder)) + "fill_up()", ends=-signal.SIGKILL, timeout=30)
