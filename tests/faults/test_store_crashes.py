"""Whatever ends or refuses a change of a store's file, the file is as before it or as after it, and opens."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time

import pytest

from securemem import KeyStore
from tests.support import programs, shims, stores

EACH = 200
PROCESSES = 8
WRITER = """
import sys
from pathlib import Path
from securemem import KeyStore
from securemem.keystore.kek.key_file import KeyFile

with KeyStore.open(Path(sys.argv[1]), KeyFile(sys.argv[2])) as store:
    for number in range(int(sys.argv[4])):
        store.put(f"{sys.argv[3]} {number}", bytearray(f"secret {sys.argv[3]} {number}".encode()))
"""


@pytest.fixture(scope="module")
def counted_calls(tmp_path_factory):
    """The library that counts calls, and ends or refuses one of them."""
    return shims.built("faults/store_calls.c", tmp_path_factory.mktemp("calls"))


def outcomes(counted_calls, directory, mode, one_of):
    """What store_child saw, which checks itself that each state is the one before or the one after."""
    directory.chmod(0o700)
    preloaded = {"LD_PRELOAD": str(counted_calls)}
    said = programs.run_module("tests.faults.store_child", directory, mode, one_of, environment=preloaded, timeout=300)
    return json.loads(said.splitlines()[-1])


@pytest.mark.parametrize(("mode", "one_of"), [("kill", 2), ("torn", 4)])
def test_killed_at_calls(counted_calls, tmp_path, mode, one_of):
    """Fifteen changes, at one of two or four calls that lock, write, sync, link or unlink: both states are seen.

    "torn": the call is done before the end, and half of a write. `scripts/crash` does it at every call.
    """
    seen = outcomes(counted_calls, tmp_path, mode, one_of)
    assert seen["points"] >= 450 // one_of
    assert seen["endings"].keys() == {"-9 before", "-9 after"}
    assert min(seen["endings"].values()) >= 10


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EINTR])
def test_refused_at_calls(counted_calls, tmp_path, error):
    """One of six of the same calls fails: a typed error, or success where SQLite tries again; the store works on."""
    seen = outcomes(counted_calls, tmp_path, error, 6)
    assert seen["points"] >= 450 // 6
    assert "3 before" in seen["endings"]


def test_a_full_disk(tmp_path):
    """On a small file system: StoreFileError (ENOSPC), nothing lost, and it works again when there is room."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=320k,mode=0700", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user cannot mount a file system")
    try:
        path, kek = stores.filled(tmp_path)
        box = (tmp_path / "store.box").read_bytes()
        (tmp_path / "ballast").write_bytes(bytes(80_000))
        with KeyStore.open(path, kek) as store:
            kept = 0
            with pytest.raises(OSError, match="No space left") as caught:
                while True:
                    store.put(f"large {kept}", bytearray(20_000))
                    kept += 1
            assert caught.value.errno == errno.ENOSPC
            assert kept >= 3
            store.check()
            assert len(store) == 4 + kept
            (tmp_path / "ballast").unlink()
            for number in range(kept):
                store.delete(f"large {number}")
            store.put("small", bytearray(b"x"))
            store.delete("small")
        assert set(stores.content(path, kek, box)) == {*stores.CONTENT, "key"}
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_eight_processes_write_at_once(tmp_path):
    """200 records each: all are there, and each is its own."""
    tmp_path.chmod(0o700)
    path, kek = stores.filled(tmp_path)
    begun = time.monotonic()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, path, f"{path}.key", str(one), str(EACH)], env=programs.environment()
        )
        for one in range(PROCESSES)
    ]
    assert [writer.wait(timeout=300) for writer in writers] == [0] * PROCESSES, time.monotonic() - begun
    with KeyStore.open(path, kek) as store:
        assert len(store) == PROCESSES * EACH + 4
        for one in range(PROCESSES):
            for number in range(EACH):
                with store.get(f"{one} {number}") as secret:
                    assert secret == f"secret {one} {number}".encode()
        store.check()
