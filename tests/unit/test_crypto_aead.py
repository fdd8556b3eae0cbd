"""Authenticated encryption: shapes, limits, refusals before anything changes, one error for what is not right."""

from __future__ import annotations

import ast
import copy
import mmap
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings import _rust
from cryptography.hazmat.primitives.ciphers import Cipher as PublicCipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

import securemem
from securemem import Arena, DecryptionError, ForkedError, SecureBytes, WipedError, statistics
from securemem._binding.operations import Cipher
from securemem.crypto import _ciphers as ciphers
from securemem.crypto import _xaes, hazmat
from securemem.crypto._xaes import blocks
from securemem.crypto.aead import Key
from securemem.exceptions import InvalidArgumentError, KeyExhaustedError, SizeError, SourceError

ALGORITHM = pytest.mark.parametrize("algorithm", ciphers.ALGORITHMS)
MESSAGE = "the ciphertext could not be decrypted with this key and associated data"


@ALGORITHM
def test_round_trip(algorithm):
    """Both ways in, both ways out; the nonce differs each time, and each message is counted."""
    key = Key.generate(algorithm)
    first, second = key.encrypt(b"data", b"aad"), key.encrypt(b"data", b"aad")
    assert first != second
    assert len(first) == 4 + key.overhead
    out = bytearray(4 + key.overhead)
    key.encrypt_into(b"data", out, b"aad")
    assert key.messages == 3
    for box in (first, second, out, memoryview(first)):
        assert key.decrypt(box, b"aad") == b"data"
        opened = SecureBytes.zeros(4)
        key.decrypt_into(box, opened, b"aad")
        assert opened == b"data"


def test_default_is_xaes_with_commitment():
    """Nonces that do not run out, and a commitment: 24 + 16 + 32 bytes."""
    key = Key.generate()
    assert key.algorithm == "KC-XAES-256-GCM"
    assert key.overhead == 72


def test_commitment_is_checked_before_decryption():
    """A ciphertext whose commitment is another's is refused without a decryption, though all else is right."""
    used = []

    def watched(key):
        used.append(key)
        return AESGCM(key)

    cipher = Cipher("watched", watched, blocks, InvalidTag, 32, 24, 16, 32)
    key = Key.generate()
    box = key.encrypt(b"data")
    with pytest.raises(DecryptionError):
        cipher.open(key.secret, 0, None, box[:-1] + bytes([box[-1] ^ 1]), b"", None)
    assert not used
    assert cipher.open(key.secret, 0, None, box, b"", None) == b"data"
    assert len(used) == 1


@pytest.mark.parametrize("bindings", [_rust, None, object()])
def test_blocks_are_those_of_the_public_cipher(bindings, monkeypatch):
    """By the function under it and, where cryptography has none of that name, by the public one."""
    monkeypatch.setattr(_xaes, "_make", _xaes._encryptor(bindings))
    assert (_xaes._make is _xaes._public_encryptor) == (bindings is not _rust)
    key, block = bytes(range(32)), bytes(range(16))
    encrypted = PublicCipher(AES256(key), ECB()).encryptor().update(block)
    assert blocks(SecureBytes.copy_of(key)).update(block) == encrypted


@ALGORITHM
def test_empty_plaintext(algorithm):
    """It is authenticated into an empty buffer; into a SecureBytes it cannot go, and the error says what to do."""
    key = Key.generate(algorithm)
    box = key.encrypt(b"", b"aad")
    key.decrypt_into(box, bytearray(), b"aad")
    with pytest.raises(SizeError, match="decrypt_into"):
        key.decrypt(box, b"aad")
    with pytest.raises(DecryptionError):
        key.decrypt_into(box, bytearray(), b"other")


@ALGORITHM
def test_every_way_to_be_wrong_is_the_same_error(algorithm):
    """Changed, cut, lengthened, empty, other aad or key: one type, one message, no cause, no context; out is wiped."""
    key, other = Key.generate(algorithm), Key.generate(algorithm)
    box = key.encrypt(b"data", b"aad")
    wrong = [(bytes([*box[:at], box[at] ^ 1, *box[at + 1 :]]), b"aad") for at in range(len(box))]
    wrong += [(box[:-1], b"aad"), (box + b"\0", b"aad"), (b"", b"aad"), (box[: key.overhead], b"aad"), (box, b"AAD")]
    wrong += [(box, b""), (other.encrypt(b"data", b"aad"), b"aad")]
    for ciphertext, aad in wrong:
        size = len(ciphertext) - key.overhead
        with pytest.raises(DecryptionError) as caught:
            key.decrypt(ciphertext, aad)
        assert (str(caught.value), caught.value.__cause__, caught.value.__context__) == (MESSAGE, None, None)
        if size >= 0:
            out = bytearray(b"\xff" * size)
            with pytest.raises(DecryptionError) as caught:
                key.decrypt_into(ciphertext, out, aad)
            assert (str(caught.value), caught.value.__context__) == (MESSAGE, None)
            assert out == bytes(size)


@pytest.mark.parametrize("algorithm", ["AES-256-GCM", "AES-128-GCM", "AES-256-GCM-SIV", "ChaCha20-Poly1305"])
def test_random_nonces_run_out(algorithm):
    """After 2**32 messages, those before this object counted, the key encrypts no more but still decrypts."""
    secret = SecureBytes.random(ciphers.ALGORITHMS[algorithm].key_size)
    key = Key(secret, algorithm, messages=2**32 - 2)
    boxes = [key.encrypt(b"one"), key.encrypt(b"two")]
    for encrypt in (lambda: key.encrypt(b"three"), lambda: key.encrypt_into(b"", bytearray(key.overhead))):
        with pytest.raises(KeyExhaustedError, match="use a new key"):
            encrypt()
    assert key.messages == 2**32
    assert [key.decrypt(box)[:] == text for box, text in zip(boxes, (b"one", b"two"), strict=True)] == [True, True]


def test_messages_of_threads_are_counted_exactly():
    """No message of eight threads is missed, and no nonce comes twice."""
    key = Key.generate("AES-256-GCM")
    nonces = [[] for _ in range(8)]

    def work(mine):
        mine.extend(key.encrypt(b"data")[:12] for _ in range(200))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in nonces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert key.messages == 1600
    assert len({nonce for mine in nonces for nonce in mine}) == 1600


def test_wrong_keys_are_refused():
    """Another type, size, algorithm or count: a typed error that says what to do."""
    with pytest.raises(TypeError, match=r"SecureBytes\.take"):
        Key(bytes(32))
    with pytest.raises(SizeError, match="16 bytes: it must have 32"):
        Key(SecureBytes.random(16))
    with pytest.raises(InvalidArgumentError, match="AES-256-GCM-SIV"):
        Key(SecureBytes.random(32), "AES-512-GCM")
    with pytest.raises(SizeError, match="0 or more"):
        Key(SecureBytes.random(32), messages=-1)


@pytest.mark.usefixtures("no_kept_ciphers")
@ALGORITHM
def test_wiped_key_raises_before_any_cipher_sees_it(algorithm):
    """A wiped key is an error, never a key of zeros."""
    key, seen = Key.generate(algorithm), []
    box = key.encrypt(b"data")
    cipher = Cipher("watched", seen.append, None, InvalidTag, len(key.secret), 12, 16, 0)
    with pytest.raises(AttributeError):  # positive control: a key that lives is seen
        cipher.seal(key.secret, b"", None, b"data", b"")
    assert seen.pop() is key.secret
    key.secret.wipe()
    with pytest.raises(WipedError):
        cipher.seal(key.secret, b"", None, b"data", b"")
    assert not seen
    out = bytearray(b"\xff" * 4)
    for operation in (
        lambda: key.encrypt(b"data"),
        lambda: key.encrypt_into(b"data", bytearray(4 + key.overhead)),
        lambda: key.decrypt(box),
        lambda: key.decrypt_into(box, out),
    ):
        with pytest.raises(WipedError):
            operation()
    assert out == b"\xff" * 4


def test_key_of_the_parent_raises_in_a_forked_child():
    """ForkedError in the child, and its own keys work there."""
    key = Key.generate()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            key.encrypt(b"data")
        except ForkedError:
            own = Key.generate()
            status = 0 if own.decrypt(own.encrypt(b"data")) == b"data" else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert key.decrypt(key.encrypt(b"data")) == b"data"


def test_buffers_are_checked_before_anything_is_changed():
    """Wrong sizes, read-only, in pieces or no buffers: errors, nothing written, no message counted."""
    key = Key.generate("AES-256-GCM")
    box = key.encrypt(b"data")
    full = bytearray(b"\xff" * 40)
    for size in (0, 31, 33, 40):
        with pytest.raises(SizeError, match="exactly 32"), memoryview(full)[:size] as out:
            key.encrypt_into(b"data", out)
    for size in (0, 3, 5):
        with pytest.raises(SizeError, match="exactly 4"), memoryview(full)[:size] as out:
            key.decrypt_into(box, out)
    with pytest.raises(TypeError, match="writable"):
        key.decrypt_into(box, bytes(4))
    with pytest.raises(SourceError, match="contiguous"):
        key.decrypt_into(box, memoryview(full)[:8:2])
    with pytest.raises(TypeError):
        key.decrypt("text")
    assert full == b"\xff" * 40
    assert key.messages == 1
    with pytest.raises(TypeError):
        key.encrypt("text")


def test_more_than_two_gib_is_refused():
    """Cryptography's limit of 2**31 - 1 bytes is a SizeError, for data and for associated data."""
    key = Key.generate("AES-256-GCM")
    with mmap.mmap(-1, 2**31) as huge, memoryview(huge) as data:
        for operation in (lambda: key.encrypt(data), lambda: key.encrypt(b"", data)):
            with pytest.raises(SizeError, match="in pieces"):
                operation()


def test_key_tells_nothing_and_is_not_copied():
    """Repr names the algorithm; copies and pickles are refused, as they would count messages twice."""
    key = Key.generate("AES-256-GCM")
    assert repr(key) == "<Key: AES-256-GCM, 0 messages>"
    for copier in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be pickled"):
            copier(key)


def test_plaintext_lands_in_the_arena_asked_for():
    """And in no other; a failed decryption leaves no secret there."""
    key = Key.generate()
    with Arena(at_rest="readwrite") as arena:
        opened = key.decrypt(key.encrypt(b"data"), arena=arena)
        assert arena.statistics().live_secrets == 1
        with pytest.raises(DecryptionError):
            key.decrypt(bytes(100), arena=arena)
        del opened
        assert arena.statistics().live_secrets == 0


def test_no_window_stays_open():
    """Key and output are closed again after each operation, failed ones included."""
    key = Key.generate()
    box = key.encrypt(b"data")
    before = statistics().open_windows
    opened = key.decrypt(box)
    with pytest.raises(DecryptionError):
        key.decrypt(bytes(100))
    assert statistics().open_windows == before
    assert opened.protection.closed


@ALGORITHM
def test_hazmat_takes_the_callers_nonce(algorithm):
    """The same nonce gives the same ciphertext; a nonce of another size is a SizeError."""
    chosen = ciphers.ALGORITHMS[algorithm]
    key = SecureBytes.random(chosen.key_size)
    nonce = bytes(chosen.nonce_size)
    box = hazmat.encrypt(algorithm, key, nonce, b"data")
    assert box == hazmat.encrypt(algorithm, key, nonce, b"data")
    assert Key(key, algorithm).decrypt(nonce + box) == b"data"
    for size in (0, chosen.nonce_size - 1, chosen.nonce_size + 1):
        with pytest.raises(SizeError, match="nonce"):
            hazmat.encrypt(algorithm, key, bytes(size), b"data")
    with pytest.raises(DecryptionError) as caught:
        hazmat.decrypt(algorithm, key, nonce, bytes(len(box)))
    assert caught.value.__context__ is None


@ALGORITHM
def test_an_empty_plaintext_is_authenticated_first(algorithm):
    """A whole box of nothing is a SizeError, for no SecureBytes is empty; a cut one is a DecryptionError like any."""
    key = Key.generate(algorithm)
    empty, cut = key.encrypt(b""), key.encrypt(b"data")[: key.overhead]
    at = ciphers.ALGORITHMS[algorithm].nonce_size
    for box, error in ((empty, SizeError), (cut, DecryptionError)):
        with pytest.raises(error):
            key.decrypt(box)
        with pytest.raises(error):
            hazmat.decrypt(algorithm, key.secret, box[:at], box[at:])


def test_nobody_imports_hazmat_by_accident():
    """No module of securemem imports it, and it is not there until it is imported by name."""
    package = Path(securemem.__file__).parent
    for source in package.rglob("*.py"):
        imported = {
            name
            for node in ast.walk(ast.parse(source.read_text()))
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("securemem")
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        }
        assert "securemem.crypto.hazmat" not in imported, source
    program = "import securemem, sys; from securemem.crypto import aead, kdf, wrap; securemem.SealedBytes; "
    program += "sys.exit('securemem.crypto.hazmat' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
