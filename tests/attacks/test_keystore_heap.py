"""A key store with the crypto heap on: what it keeps prepared lies in locked memory, and goes with the lock.

The same program with the heap off is the positive control: there the scan finds a kept cipher in unlocked memory.
"""

from __future__ import annotations

import pytest

PROGRAM = """
from securemem import KeyStore, crypto_heap, scrub
from securemem.crypto import wrap

class Device:
    def __init__(self): self.secret = SecureBytes.random(32)
    def wrap(self, key, context): return wrap.wrap(self.secret, key)
    def unwrap(self, wrapped, context): return wrap.unwrap(self.secret, wrapped)

control = fill(bytearray(32))
store = KeyStore(Device(), crypto_heap={heap!r})
key = store.generate("key", {algorithm!r})
gate = key._key.contents.gate
tell(gate.run(key._key.contents.opened, key._key.primary))
tell(control)
box = key.encrypt(b"data")
assert key.decrypt(box) == b"data"
session = key.session()
assert session.decrypt(session.encrypt(b"data")) == b"data"
stand_still()
store.lock()
stand_still()
"""


@pytest.mark.parametrize("algorithm", ["KC-XAES-256-GCM", "AES-256-GCM", "ChaCha20-Poly1305"])
def test_kept_ciphers_and_sessions_are_in_locked_memory_only(prey, algorithm):
    """In use: key and expanded key are found, all of it locked; after lock(): nowhere."""
    attacked = prey(PROGRAM.format(heap="require", algorithm=algorithm))
    attacked.learn()
    attacked.wait()
    found = attacked.scan()
    assert found.key[0] >= 2
    assert found.key[1] == 0
    assert found.control == (0, 1)
    attacked.next()
    assert attacked.scan() == ((0, 0), (0, 1))


def test_without_the_heap_a_session_is_found(prey):
    """Positive control."""
    attacked = prey(PROGRAM.format(heap="off", algorithm="AES-256-GCM"))
    attacked.learn()
    attacked.wait()
    assert attacked.scan().key[1] >= 1
