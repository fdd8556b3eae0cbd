"""Ciphers that are kept with their keys while the crypto heap is on, and what ends each of them.

Each test is a process of its own, since the heap stays once it is there. `kept()` counts what is kept; each test sees
it at 1 first, so that its 0 means something.
"""

from __future__ import annotations

import pytest

from tests.support.programs import run

START = """
import os, sys
from securemem import Arena, KeyStore, Passphrase, SecureBytes, crypto_heap, exceptions, purge
from securemem.crypto import aead
from securemem.crypto.argon2 import Cost

def kept():
    return crypto_heap.status().kept_ciphers

def kek():
    return Passphrase(SecureBytes.copy_of(b"a long passphrase"), cost=Cost(8, 1))
"""
ON = START + "crypto_heap.enable()\n"
ALGORITHMS = "KC-XAES-256-GCM", "XAES-256-GCM", "AES-256-GCM", "AES-128-GCM", "AES-256-GCM-SIV", "ChaCha20-Poly1305"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_kept_cipher_does_what_a_fresh_one_does(algorithm):
    """Messages of either are read by the other, and one that was changed is refused."""
    run(
        START
        + f"""
key = aead.Key.generate({algorithm!r})
fresh = key.encrypt(b"before", b"aad")
crypto_heap.enable()
for message in range(3):
    box = key.encrypt(b"message", b"aad")
    assert key.decrypt(box, b"aad") == b"message" and key.decrypt(fresh, b"aad") == b"before" and kept() == 1
    try: key.decrypt(box[:-1] + bytes((box[-1] ^ 1,)), b"aad")
    except exceptions.DecryptionError: pass
    else: raise AssertionError("it was changed")
crypto_heap.disable()
assert kept() == 0 and key.decrypt(box, b"aad") == b"message" and kept() == 0
"""
    )


@pytest.mark.parametrize(
    "end",
    [
        "secret.wipe()",
        "secret = key = None",
        "purge()",
        "arena.close()",
        "SecureBytes.take(secret)",
        "crypto_heap.disable()",
        "[other.encrypt(b'x') for other in others]",
    ],
)
def test_what_ends_a_kept_cipher(end):
    """Wiping the key, letting it go, purging, closing its arena, taking it elsewhere, and too many others."""
    run(
        ON
        + f"""
others = [aead.Key.generate() for _ in range(200)]
arena = Arena()
secret = SecureBytes.random(32, arena=arena)
key = aead.Key(secret)
aead.Key.generate().encrypt(b"data")  # so that OpenSSL has what it keeps for good
before = crypto_heap.status().live_blocks
key.encrypt(b"data")
assert kept() == 1 and crypto_heap.status().live_blocks > before
{end}
assert kept() == 0 or 50 < kept() < 150
if kept() == 0: assert crypto_heap.status().live_blocks <= before
"""
    )


def test_a_key_that_is_written_to_is_taken_anew():
    """Nothing is kept of what a key was, nor while a view is open through which it may change."""
    run(
        ON
        + """
secret = SecureBytes.random(32)
key = aead.Key(secret, "AES-256-GCM")
box = key.encrypt(b"data")
assert kept() == 1
with secret.reveal(writable=True) as view:
    assert kept() == 0
    view[:] = bytes(32)
    other = key.encrypt(b"data")
    assert kept() == 0
    view[:] = bytes(range(32))
    assert key.decrypt(key.encrypt(b"data")) == b"data"
try: key.decrypt(box)
except exceptions.DecryptionError: pass
else: raise AssertionError("the key is another one")
assert aead.Key(SecureBytes.zeros(32), "AES-256-GCM").decrypt(other) == b"data"
"""
    )


def test_a_key_that_is_used_by_two_ciphers_serves_both():
    """Each use makes its own: what is kept for one is not given to the other."""
    run(
        ON
        + """
secret = SecureBytes.random(32)
one, other = aead.Key(secret, "AES-256-GCM"), aead.Key(secret, "ChaCha20-Poly1305")
for _ in range(3):
    assert one.decrypt(one.encrypt(b"data")) == other.decrypt(other.encrypt(b"data")) == b"data"
    assert kept() == 1
"""
    )


@pytest.mark.parametrize("how", ["os.fork()", "__import__('ctypes').CDLL(None).fork()"])
def test_none_goes_on_in_a_forked_child(how):
    """In the child nothing is kept of keys that stayed in the parent, nor used of keys that came along."""
    run(
        ON
        + f"""
excluded, inherited = aead.Key.generate(), aead.Key.generate(arena=Arena(fork="inherit"))
box = inherited.encrypt(b"data")
excluded.encrypt(b"data")
assert kept() == 2
child = {how}
if child == 0:
    status = 3
    try:
        if "os.fork" in {how!r}: assert kept() == 0
        try: excluded.encrypt(b"data")
        except exceptions.ForkedError: pass
        else: raise AssertionError("its key is not here")
        assert inherited.decrypt(box) == b"data"
        status = 0
    finally:
        os._exit(status)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 and kept() == 2
assert inherited.decrypt(box) == b"data"
"""
    )


@pytest.mark.parametrize(
    "end",
    [
        "store.lock()",
        "handle.rotate()",
        "handle.disable(1)",
        "handle.destroy(1)",
        "store.delete('key')",
        "store.clear()",
        "purge()",
        "store = handle = None; import gc; gc.collect()",
        "import time; time.sleep(1.5)",
    ],
)
def test_what_ends_those_of_a_store(end):
    """Locking, rotating, disabling, destroying, deleting, purging, letting go, and being idle."""
    run(
        START
        + f"""
store = KeyStore(kek(), idle_timeout=0.5 if "sleep" in {end!r} else None)
assert store.crypto_heap == "on", store.crypto_heap
handle = store.generate("key")
root = kept()
handle.encrypt(b"data")
handle.encrypt(b"data")
assert kept() == root + 1
{end}
assert kept() <= root
"""
    )


def test_a_store_says_whether_the_heap_is_on():
    """With "off" it stays off and says so; "auto" says why it cannot be; "require" raises why."""
    run(
        START
        + """
store = KeyStore(crypto_heap="off")
assert 'crypto_heap="off"' in store.crypto_heap and not crypto_heap.status().enabled
handle = store.generate("key")
assert handle.decrypt(handle.encrypt(b"data")) == b"data" and kept() == 0
import tracemalloc
tracemalloc.start()
store = KeyStore()
assert "tracemalloc" in store.crypto_heap and not crypto_heap.status().enabled
try: KeyStore(crypto_heap="require")
except exceptions.CryptoHeapError as error: assert "tracemalloc" in str(error)
else: raise AssertionError("it cannot be turned on")
tracemalloc.stop()
try: KeyStore(crypto_heap="yes")
except exceptions.InvalidArgumentError as error: assert "'yes'" in str(error)
else: raise AssertionError("there is no such word")
assert KeyStore(crypto_heap="require").crypto_heap == "on" == store.crypto_heap
crypto_heap.disable()
assert "tracemalloc" in store.crypto_heap
"""
    )


def test_under_one_mebibyte_of_limit_it_stays_off_and_says_so():
    """An ordinary user with 512 KiB: the heap leaves them to secrets, unless it is required."""
    run(
        START
        + """
from tests.support.ordinary_user import become
KeyStore(crypto_heap="off").generate("key").encrypt(b"data")  # all is imported, as another user may not
become(512 << 10)
store = KeyStore()
assert "524288" in store.crypto_heap and "RLIMIT_MEMLOCK" in store.crypto_heap and not crypto_heap.status().enabled
assert KeyStore(crypto_heap="require").crypto_heap == "on"
"""
    )


def test_operations_are_refused_where_key_material_finds_no_room_and_that_was_required():
    """With "require" a full heap is a LockLimitError at the next operation, and none once there is room again."""
    run(
        START
        + """
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
store = KeyStore(crypto_heap="require")
handle = store.generate("key")
handle.encrypt(b"data")
mine = [AESGCM(bytes(32)) for _ in range(2000)]
assert crypto_heap.status().overflow > 0
for use in (lambda: handle.encrypt(b"data"), lambda: store.put("secret", bytearray(b"secret"))):
    try: use()
    except exceptions.LockLimitError as error: assert "lock" in str(error)
    else: raise AssertionError("it was required")
    assert kept() == 0
del mine
handle.encrypt(b"data")
assert kept() > 0
"""
    )
    run(
        START
        + """
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
handle = KeyStore().generate("key")
mine = [AESGCM(bytes(32)) for _ in range(2000)]
assert crypto_heap.status().overflow > 0
handle.encrypt(b"data")
"""
    )


@pytest.mark.parametrize("settled", ["enable(); crypto_heap.disable()", "enable(objects=('ssl',), lock='warn')"])
def test_a_store_leaves_the_heap_as_the_program_set_it(settled):
    """A store that is told nothing turns nothing on that the program turned off, or had on for something else."""
    run(
        START
        + f"""
crypto_heap.{settled}
before = crypto_heap.status()
store = KeyStore(kek())
after = crypto_heap.status()
assert (after.enabled, after.objects) == (before.enabled, before.objects)
assert "stays so" in store.crypto_heap
"""
    )
    run(START + "assert KeyStore(kek()).crypto_heap == 'on' and crypto_heap.status().enabled")  # the positive control
