"""A real Redis server of the machine's, for the length of a test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(password: str, *users: tuple[str, str]) -> Iterator[int]:
    """Run a server on loopback whose default user has the password, and more users with theirs; give its port."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with tempfile.TemporaryDirectory(prefix="securemem-") as name:
        folder, port = Path(name), _free_port()
        lines = [f"port {port}", "bind 127.0.0.1", 'save ""', "appendonly no", f'requirepass "{password}"']
        lines += [f'user {user} on allcommands allkeys ">{own}"' for user, own in users]
        (folder / "redis.conf").write_text("\n".join(lines))
        words = ["redis-server", "redis.conf"]
        with (folder / "log").open("wb") as log, subprocess.Popen(words, cwd=folder, stdout=log, stderr=log) as process:
            try:
                end = time.monotonic() + PATIENCE
                while b"Ready to accept" not in (said := (folder / "log").read_bytes()):
                    assert process.poll() is None, said
                    assert time.monotonic() < end, "the server does not start"
                    time.sleep(0.05)
                yield port
            finally:
                process.terminate()
