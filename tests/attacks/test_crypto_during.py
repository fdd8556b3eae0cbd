"""While an operation runs, cryptography holds in unlocked memory what docs/reference/crypto.md says, and not more."""

from __future__ import annotations

import os
import signal
import time

import pytest

from securemem.scanning import scan_process
from tests.support.crypto_cases import PRELUDE

STOPS = 3

# What runs again and again, the forms that may be seen outside locked memory, and how often the key itself.
RUNNING = {
    "AES-256-GCM": ("key.encrypt(data)", {"raw", "AES round key"}, 3),
    "HMAC": ("mac.hmac(watched, data)", set(), 0),
    "PBKDF2": ("kdf.pbkdf2(watched, b's' * 16, 32, iterations=200_000)", {"raw"}, 1),
    "Argon2id": ("argon2.argon2id(watched, b's' * 16, cost=argon2.Cost(8192, 40))", set(), 0),
}


@pytest.mark.parametrize(("code", "forms", "most"), RUNNING.values(), ids=RUNNING)
def test_copies_while_it_runs_are_those_documented(prey, code, forms, most):
    """Stopped several times in the midst, no other form is found and not more copies; each in the heap only."""
    attacked = prey(f"""
{PRELUDE}
watched = SecureBytes.random(32)
control = fill(bytearray(32))
key = aead.Key(watched, "AES-256-GCM"); data = bytes(1 << 23)
tell(watched); tell(control); stand_still()
while True: {code}
""")
    attacked.learn()
    attacked.wait()
    attacked.go_on()
    seen = []
    for number in range(STOPS):
        time.sleep(0.05 + 0.013 * number)
        os.kill(attacked.pid, signal.SIGSTOP)
        outside = [place for place in scan_process(attacked.pid, attacked.key).where if not place.locked]
        os.kill(attacked.pid, signal.SIGCONT)
        assert {place.form for place in outside} <= forms
        assert {place.memory for place in outside} <= {"[heap]", "anonymous"}
        seen.append(sum(place.count for place in outside if place.form == "raw"))
    assert max(seen) <= most
    assert scan_process(attacked.pid, attacked.control).unlocked == 1
    # Positive control: the stops were in the midst, where cryptography has its copy.
    assert most == 0 or max(seen) >= 1
