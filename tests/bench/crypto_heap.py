"""What the crypto heap costs: the same operations in a process without it and in one with it.

    python tests/bench/crypto_heap.py off|sections|calls

prints the processor time of each operation in ns, as JSON; processor time, since other programs use the machine too.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from securemem import crypto_heap

if TYPE_CHECKING:
    from collections.abc import Callable

NONCE, DATA, SHA = bytes(12), bytes(64), hashes.SHA256()
ROUNDS = 9


def best(work: Callable[[], object], calls: int) -> float:
    """The least time of a call, in ns."""
    times = []
    for _ in range(ROUNDS):
        start = time.thread_time_ns()
        for _ in range(calls):
            work()
        times.append((time.thread_time_ns() - start) / calls)
    return min(times)


def _hmac() -> None:
    code = hmac.HMAC(bytes(32), SHA)
    code.update(DATA)
    code.finalize()


def _plain_python() -> object:
    made = [(number, str(number)) for number in range(20_000)]
    return {number: [text, text.encode()] for number, text in made}


def measure() -> dict[str, float]:
    """All operations."""
    kept, out, other = AESGCM(bytes(32)), bytearray(80), ChaCha20Poly1305(bytes(32))
    signer, private = ed25519.Ed25519PrivateKey.generate(), x25519.X25519PrivateKey.generate()
    public, point = private.public_key(), ec.generate_private_key(ec.SECP256R1())
    pem = point.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "kept AESGCM.encrypt_into": best(lambda: kept.encrypt_into(NONCE, DATA, None, out), 3000),
        "kept AESGCM.encrypt": best(lambda: kept.encrypt(NONCE, DATA, None), 3000),
        "kept ChaCha20Poly1305.encrypt": best(lambda: other.encrypt(NONCE, DATA, None), 3000),
        "AESGCM(key).encrypt": best(lambda: AESGCM(bytes(32)).encrypt(NONCE, DATA, None), 2000),
        "HMAC": best(_hmac, 2000),
        "Ed25519 sign": best(lambda: signer.sign(DATA), 200),
        "X25519 exchange": best(lambda: private.exchange(public), 200),
        "ECDSA sign": best(lambda: point.sign(DATA, ec.ECDSA(SHA)), 200),
        "load PEM": best(lambda: serialization.load_pem_private_key(pem, None), 200),
        "plain Python": best(_plain_python, 3),
    }


if __name__ == "__main__":
    if sys.argv[1] != "off":
        crypto_heap.enable(scrub=sys.argv[1])  # type: ignore[arg-type]  # a word of the command line
    print(json.dumps(measure()))
