"""SealedBytes: secrets encrypted in ordinary memory, opened into locked memory."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys

import pytest

import securemem
from securemem import Arena, ForkedError, SealedBytes, SecureBytes, WipedError
from securemem.exceptions import SizeError, SourceError


def test_the_name_is_loaded_when_asked_for():
    """`import securemem` does not import cryptography; `securemem.SealedBytes` does, and other names do not exist."""
    program = """
import sys, securemem
assert "cryptography" not in sys.modules and "securemem.crypto" not in sys.modules
securemem.SealedBytes
assert "cryptography" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    with pytest.raises(AttributeError, match="Unsealed"):
        securemem.UnsealedBytes  # noqa: B018 - the access is what is tested


def test_open_gives_the_secret_each_time():
    """Into an arena of choice, wiped at the end of the with statement."""
    sealed = SealedBytes.copy_of(b"secret")
    with Arena() as arena:
        for _ in range(3):
            with sealed.open(arena=arena) as secret:
                assert secret == b"secret"
                assert arena.statistics().live_secrets == 1
            assert arena.statistics().live_secrets == 0
    assert len(sealed) == 6
    assert sealed


def test_sources():
    """take() wipes its source, copy_of() and seal() leave theirs; what cannot be wiped or is empty is refused."""
    source = bytearray(b"secret")
    assert SealedBytes.take(source).open() == b"secret"
    assert source == bytes(6)
    secret = SecureBytes.copy_of(b"secret")
    assert SealedBytes.seal(secret).open() == secret
    for wrong, word in ((b"secret", "copy_of"), (memoryview(bytearray(8))[::2], "contiguous"), (secret, "seal")):
        with pytest.raises(SourceError, match=word):
            SealedBytes.take(wrong)
    for maker in (SealedBytes.take, SealedBytes.copy_of):
        with pytest.raises(SizeError):
            maker(bytearray())
    with pytest.raises(TypeError):
        SealedBytes.seal(b"secret")
    with pytest.raises(TypeError):
        SealedBytes.copy_of("secret")
    with pytest.raises(TypeError, match="take"):
        SealedBytes()


def test_wipe():
    """Afterwards it has no secret and no length; it may be repeated, and a with statement ends in it."""
    with SealedBytes.copy_of(b"secret") as sealed:
        assert not sealed.wiped
    sealed.wipe()
    assert sealed.wiped
    for use in (sealed.open, lambda: len(sealed)):
        with pytest.raises(WipedError):
            use()
    assert repr(sealed) == "<SealedBytes: wiped>"


def test_tells_nothing():
    """No bytes in repr, no pickle, no copy, and equal secrets look different."""
    first, second = SealedBytes.copy_of(b"secret"), SealedBytes.copy_of(b"secret")
    assert repr(first) == "<SealedBytes: 6 bytes>"
    assert first._box != second._box
    for copier in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be pickled"):
            copier(first)


def test_overwritten_box_does_not_open():
    """What is in ordinary memory is authenticated."""
    sealed = SealedBytes.copy_of(b"secret")
    sealed._box = sealed._box[:-1] + bytes([sealed._box[-1] ^ 1])
    with pytest.raises(securemem.DecryptionError):
        sealed.open()


def test_purge_and_fork():
    """purge() wipes the key: older ones do not open, new ones do. A child opens none of the parent's, but its own."""
    program = """
import os
from securemem import ForkedError, SealedBytes, WipedError, purge
old = SealedBytes.copy_of(b"secret")
purge()
try: old.open()
except WipedError: pass
else: raise SystemExit("a purged secret was opened")
new = SealedBytes.copy_of(b"secret")
assert new.open() == b"secret"
child = os.fork()
if child == 0:
    try: new.open()
    except ForkedError: os._exit(0 if SealedBytes.copy_of(b"own").open() == b"own" else 2)
    os._exit(1)
assert os.waitpid(child, 0)[1] == 0
assert new.open() == b"secret"
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_more_than_can_be_locked():
    """20,000 secrets of 4,000 bytes live under a limit of 8 MiB, and each still opens."""
    program = """
import resource
from securemem import SealedBytes, statistics
source = bytearray(4000)
def filled(number):
    source[:] = number.to_bytes(4, "big") * 1000
    return source
alive = [SealedBytes.take(filled(number)) for number in range(20_000)]
assert statistics().locked_bytes < 1 << 20
for number in range(0, 20_000, 97):
    with alive[number].open() as secret: assert secret == filled(number)
"""
    subprocess.run(["prlimit", f"--memlock={8 << 20}:{8 << 20}", sys.executable, "-c", program], check=True)


def test_forked_child_of_this_process():
    """ForkedError, not DecryptionError, for what the parent sealed."""
    sealed = SealedBytes.copy_of(b"secret")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            sealed.open()
        except ForkedError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_source_is_not_wiped_when_it_could_not_be_sealed():
    """Where nothing can be locked for the key, the caller still has the secret."""
    program = """
import os, resource
from securemem import LockLimitError, SealedBytes
resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)  # who has no CAP_IPC_LOCK
source = bytearray(b"secret")
try: SealedBytes.take(source)
except LockLimitError: assert source == b"secret"
else: raise SystemExit("sealed under a limit of 0")
"""
    subprocess.run([sys.executable, "-c", program], check=True)
