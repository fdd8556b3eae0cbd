"""Threads that lock, unlock, change and use one store at the same time: nobody waits for ever."""

from __future__ import annotations

from tests.support.programs import run

# An unlock() waits for a shutting, which waits for a use, which waits to write down counts: these three.
PROGRAM = """
import sys, threading, time
from securemem import KeyStore, Policy, StoreLockedError
from securemem.crypto.aead import Key

class Device:
    def __init__(self): self.key = Key.generate()
    def wrap(self, key, context): return self.key.encrypt(key, context)
    def unwrap(self, wrapped, context): return self.key.decrypt(wrapped, context)

sys.setswitchinterval(1e-5)
device = Device()
store = KeyStore(device)
counted = store.generate("counted", policy=Policy(max_bytes=2**40))  # each use of it is a change
done = [0] * 6
end = time.monotonic() + 4

def use(place):
    while time.monotonic() < end:
        try:
            counted.encrypt(b"data")
        except StoreLockedError:
            pass
        done[place] += 1

def relock(place):
    while time.monotonic() < end:
        try:
            store.lock()
            store.unlock(device)
        except StoreLockedError:
            pass
        done[place] += 1

threads = [threading.Thread(target=use if i < 4 else relock, args=(i,), daemon=True) for i in range(6)]
for one in threads: one.start()
for one in threads: one.join(max(0, end + 15 - time.monotonic()))
assert not any(one.is_alive() for one in threads), f"threads wait for each other: {done}"
assert all(done), done
"""


def test_nobody_waits_for_ever():
    """Four threads use a key whose uses are counted, two lock and unlock: all get their turns, and all end."""
    run(PROGRAM, timeout=60)
