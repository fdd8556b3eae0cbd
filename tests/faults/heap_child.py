"""Turns the crypto heap on while one call of a verb of the platform fails; run as a module over the faulty core.

    python -m tests.faults.heap_child CORE VERB NUMBER [use]

The NUMBER-th call of VERB fails: while the heap is turned on, or, with "use", while it is used. Prints what came of it:
"unreached", "refused", "on", or "went on".
"""

from __future__ import annotations

import sys

from tests.support import faulty_core as faulty

# isort: split
# The module over the faulty platform is loaded: securemem takes it from here on.
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from securemem import crypto_heap
from securemem.exceptions import SecureMemError


def works() -> None:
    """Use what is served, and give it back."""
    kept = [AESGCM(bytes(range(32))) for _ in range(200)]
    assert kept[0].decrypt(bytes(12), kept[-1].encrypt(bytes(12), b"data", None), None) == b"data"


def turn_on(verb: str, number: int) -> str:
    """Turn the heap on while a call fails; afterwards it is on as a whole or off as a whole, and can be turned on."""
    works()
    faulty.plan(verb, number, 1)
    try:
        crypto_heap.enable()
    except SecureMemError:
        fired = faulty.end_plan()
        assert fired
        found = crypto_heap.status()
        assert not found.enabled
        assert not found.slots
        assert not found.objects
        works()
        crypto_heap.enable()
        answer = "refused"
    else:
        answer = "on" if faulty.end_plan() else "unreached"
    works()
    assert crypto_heap.status().enabled
    assert crypto_heap.status().live_blocks < 10
    return answer


def use(verb: str, number: int) -> str:
    """Use the heap while a call fails: cryptography never notices."""
    works()
    crypto_heap.enable()
    faulty.plan(verb, number, 1)
    works()
    fired = faulty.end_plan()
    works()
    found = crypto_heap.status()
    assert found.live_blocks < 10
    assert bool(found.failures) == bool(fired)
    return "went on" if fired else "unreached"


if __name__ == "__main__":
    print((use if sys.argv[4:] else turn_on)(sys.argv[2], int(sys.argv[3])))
