"""A store waits for its turn, at every step, while another process writes; it does not wait for ever."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest

from securemem import KeyStore
from securemem.exceptions import StoreBusyError
from securemem.storage import _connections
from tests.support import programs, stores

HOLDER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
end = time.monotonic() + float(sys.argv[2])
first = True
while first or time.monotonic() < end:
    connection.execute("BEGIN EXCLUSIVE")
    if first:
        print("held", flush=True)
    first = False
    time.sleep(float(sys.argv[3]))
    connection.execute("COMMIT")
    time.sleep(0.002)
"""


@contextlib.contextmanager
def held(path, seconds, each):
    """Another process holds the whole file again and again, so long each time, and lets go for 2 ms between."""
    arguments = [sys.executable, "-c", HOLDER, str(path), str(seconds), str(each)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=programs.environment()) as holder:
        try:
            assert holder.stdout.readline() == b"held\n"
            yield holder
        finally:
            holder.kill()


@pytest.mark.parametrize(("each", "times"), [(0.3, 1), (0.002, 25)])
def test_every_step_waits_for_its_turn(tmp_path, each, times):
    """Opening, reading, writing and closing, each begun while the file is held: all are done."""
    tmp_path.chmod(0o700)
    path, kek = stores.filled(tmp_path)
    with held(path, 60, each):
        for _ in range(times):
            KeyStore.open(path, kek).close()
        with KeyStore.open(path, kek) as store:
            with store.get("first") as found:
                assert found == b"password one"
            store.put("new", bytearray(b"value"))
            assert len(store) == 5
        with KeyStore.open(path, kek) as store, store.get("new") as found:
            assert found == b"value"


def test_waiting_ends(tmp_path, monkeypatch):
    """A file that is held for longer than a store waits: StoreBusyError by each step, and all works afterwards."""
    tmp_path.chmod(0o700)
    path, kek = stores.filled(tmp_path)
    monkeypatch.setattr(_connections, "_PATIENCE", 0.1)
    with KeyStore.open(path, kek) as store:
        with held(path, 60, 60):
            with pytest.raises(StoreBusyError):
                store.put("new", bytearray(b"value"))
            with pytest.raises(StoreBusyError):
                store.get("first")
            with pytest.raises(StoreBusyError):
                KeyStore.open(path, kek)
        monkeypatch.undo()
        store.put("new", bytearray(b"value"))
        assert len(store) == 5
        store.check()
