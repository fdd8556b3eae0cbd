"""`securemem run` from outside: operations that leave copies in freed memory leave none under it.

The same program runs both ways. Each prey holds a control in a bytearray, which the scan must find in either.
"""

from __future__ import annotations

import os

import pytest

glibc = pytest.mark.skipif(
    "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""), reason="only glibc wipes what is freed"
)

# A hundred results at a time, as a busy program has them: a single freed block is soon used again.
LEAK = """
import base64, gc, json
key, control = SecureBytes.random(32), fill(bytearray(32))
with key.reveal() as view:
    tell(view)
tell(control)

def copy():
    return bytes(memoryview(key))

def leak():
    @

results = [leak() for _ in range(100)]
del results
gc.collect() # exceptions and their frames hold each other
binding.scrub(256 * 1024)
stand_still()
"""
OPERATIONS = {
    "bytes": "return copy()",
    "hex and base64": "return copy().hex(), base64.b64encode(copy())",
    "large strings": "return json.dumps({'key': copy().hex() * 400, 'pad': 'x' * 5000})",
    "bytearrays that grow": """
    grown = bytearray()
    for _ in range(50):
        grown += copy()
    return grown""",
    "exceptions": """
    try:
        raise ValueError(copy(), f"with {copy().hex()}")
    except ValueError as error:
        kept = error
    return kept, str(kept)""",
    "ciphers": """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    cipher = AESGCM(copy())
    return cipher, cipher.encrypt(bytes(12), b"text", None)""",
}


@glibc
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_freed_copies_are_wiped_under_run(prey, operation):
    """Copies are found in unlocked memory without `run` (the positive control), and none under it, in any form."""
    code = LEAK.replace("@", operation)
    left = {}
    for run in (False, True):
        victim = prey(code, run=run)
        victim.learn()
        victim.wait()
        found = victim.scan()
        assert found.control[1] >= 1
        left[run] = found.key[1]
    assert left[False] >= 1
    assert left[True] == 0
