"""A fork before every bytecode of an operation on inherited secrets: parent and child end it well, or it is refused."""

from __future__ import annotations

import os
import traceback

import pytest

from securemem import Arena, SecureBytes
from securemem.adapters.hmac import hmac_new
from securemem.crypto.aead import Key
from securemem.doors import concat, encode_hex, read_file, split
from securemem.exceptions import ForkedError
from securemem.keystore import KeyStore
from tests.support.interruption import OURS, Bytecodes

VALUE = b"the-secret-of-32-bytes-is-here-!"
MOST = 25  # forks of an operation; where it has more bytecodes, every few


class Forks(Bytecodes):
    """Forks before the N-th bytecode; nothing is raised."""

    def __init__(self):
        super().__init__(RuntimeError)
        self.pid = -1

    def _step(self, frame):
        del frame
        self.count += 1
        if self.count == self._at:
            self.pid = os.fork()


class Case:
    """An arena that children inherit, a secret in it, and an operation."""

    def __init__(self, folder):
        self.arena = Arena(fork="inherit")
        self.secret = SecureBytes.copy_of(VALUE, arena=self.arena)
        self.folder = folder
        self.key = KeyStore(arena=self.arena).generate("key", "AES-256-GCM")

    def is_well(self):
        """The secret reads as it was, locked, no window is open, and the arena makes more."""
        assert self.secret.protection.locked
        assert self.secret == VALUE
        assert self.arena.statistics().open_windows == 0
        with SecureBytes.random(100, arena=self.arena) as other:
            assert other.protection.locked
        assert self.arena.statistics().lost_secrets == 0


def copied(case):
    """Slices and joins."""
    assert concat(case.secret[:8], case.secret[8:], arena=case.arena) == VALUE


def cut(case):
    """Cuts at a separator, and encodes."""
    parts = split(case.secret, b"-", arena=case.arena)
    assert encode_hex(parts[1]) == b"secret".hex().encode()


def file_read(case):
    """Reads a file into the arena."""
    assert read_file(case.folder / "file", arena=case.arena) == VALUE


def signed(case):
    """Signs by an adapter, which works on pads in locked memory."""
    assert hmac_new(case.secret, b"x", "sha256").hexdigest() == CODE


def encrypted(case):
    """Encrypts and decrypts with a key by itself."""
    key = Key(case.secret, "AES-256-GCM")
    assert key.decrypt(key.encrypt(b"text")) == b"text"


def used(case):
    """Uses a key of a store, which has a limit; of two boxes none has the other's nonce."""
    key = case.key
    one, other = key.encrypt(b"text"), key.encrypt(b"text")
    assert one != other
    assert key.decrypt(one) == key.decrypt(other) == b"text"
    assert key.decrypt(key.encrypt(b"text")) == b"text"


CODE = hmac_new(VALUE, b"x", "sha256").hexdigest()
OPERATIONS = [copied, cut, file_read, signed, encrypted, used]


def ended(case, operate, attempt, in_child):
    """Whether all is well after an attempt; a child may be refused what the parent was doing."""
    if attempt.error is not None and not (in_child and isinstance(attempt.error, ForkedError)):
        raise attempt.error
    case.is_well()
    if in_child:
        operate(case)  # another time, from its start
        case.is_well()


@pytest.mark.parametrize("operate", OPERATIONS, ids=lambda one: one.__name__)
def test_forks_at_every_bytecode(tmp_path, operate):
    """The parent has its result; the child has it too, or ForkedError, and all that it inherited is whole."""
    (tmp_path / "file").write_bytes(VALUE)
    (tmp_path / "file").chmod(0o600)
    forks = Forks()
    operate(Case(tmp_path))  # what is done once is not counted
    case = Case(tmp_path)
    forks.attempt(lambda: operate(case), 0, OURS)
    steps = forks.count
    assert steps > 5
    children = 0
    for at in range(1, steps + 1, 1 + steps // MOST):
        case, forks.pid = Case(tmp_path), -1
        attempt = forks.attempt(lambda case=case: operate(case), at, OURS)
        if forks.pid == 0:
            status = 1
            try:
                ended(case, operate, attempt, in_child=True)
                status = 0
            except BaseException:  # noqa: BLE001 - the parent sees the status
                traceback.print_exc()
            finally:
                os._exit(status)
        assert forks.pid > 0
        children += 1
        assert os.waitpid(forks.pid, 0)[1] == 0, f"the child of a fork at bytecode {at}"
        ended(case, operate, attempt, in_child=False)
    assert children >= min(steps, MOST) // 2
