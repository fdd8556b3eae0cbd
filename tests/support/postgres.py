"""A real PostgreSQL server of the machine's, for the length of a test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60


def _ordinary_user() -> dict[str, Any]:
    """Tell subprocess who PostgreSQL is, which does not run as root."""
    if os.geteuid():
        return {}
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _folder_of_programs() -> Path:
    """Where the server's programs are: on the path, or where Debian has them."""
    for folder in (Path(shutil.which("postgres") or "/nowhere").parent, *Path("/usr/lib/postgresql").glob("*/bin")):
        if (folder / "initdb").exists():
            return folder
    pytest.skip("PostgreSQL is not installed")


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while b"ready to accept" not in log.read_bytes():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, "the server does not start"
        time.sleep(0.05)


@contextmanager
def running(password: str) -> Iterator[Path]:
    """Run a server whose user app has the password; give the folder with its socket."""
    programs = _folder_of_programs()
    user = _ordinary_user()
    with tempfile.TemporaryDirectory(prefix="securemem-") as name:  # a socket's path must be short
        folder = Path(name)
        (folder / "password").write_text(password)
        for path in (folder, folder / "password") if user else ():
            os.chown(path, user["user"], user["group"])
        words = [
            f"{programs}/initdb",
            "-D",
            "data",
            "-U",
            "app",
            "--pwfile=password",
            "-A",
            "scram-sha-256",
            "--no-sync",
        ]
        subprocess.run([*words, "-E", "UTF8", "--locale=C"], cwd=folder, check=True, capture_output=True, **user)
        words = [f"{programs}/postgres", "-D", "data", "-F", "-k", name, "-c", "listen_addresses="]
        with (folder / "log").open("wb") as log, subprocess.Popen(words, cwd=folder, stderr=log, **user) as process:
            try:
                _wait(process, folder / "log")
                yield folder
            finally:
                process.send_signal(2)  # SIGINT: it ends its sessions
