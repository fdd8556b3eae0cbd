"""Threads that do all operations of cryptography at once over the crypto heap, and forks meanwhile; run as a module.

    python -m tests.support.heap_stress SECONDS FORKS

Each thread repeats operations whose results are known and compares. Every child does some of them with objects of its
parent, and ends. Prints the operations done, and what the heap holds after half of the time and at the end.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes, hmac, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from securemem import crypto_heap

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = bytes(range(32))
NONCE = bytes(12)
DATA = bytes(range(256)) * 4
SHA = hashes.SHA256()
THREADS = 4

crypto_heap.enable(budget=2 << 20)
cipher, other = AESGCM(KEY), ChaCha20Poly1305(KEY)
signer = ed25519.Ed25519PrivateKey.from_private_bytes(KEY)
private, peer = x25519.X25519PrivateKey.from_private_bytes(KEY), x25519.X25519PrivateKey.generate().public_key()
point = ec.derive_private_key(12345678901234567890, ec.SECP256R1())
numbers = rsa.generate_private_key(65537, 2048)
pem = numbers.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _hmac() -> bytes:
    code = hmac.HMAC(KEY, SHA)
    code.update(DATA)
    return code.finalize()


def _ctr() -> bytes:
    worker = Cipher(algorithms.AES(KEY), modes.CTR(bytes(16))).encryptor()
    return worker.update(DATA) + worker.finalize()


def _load() -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.sign(DATA, padding.PKCS1v15(), SHA)


def _section() -> bytes:
    with crypto_heap.secret_section():
        return bytes(bytearray(AESGCM(KEY).decrypt(NONCE, cipher.encrypt(NONCE, DATA, None), None)))


def _verified() -> bytes:
    point.public_key().verify(point.sign(DATA, ec.ECDSA(SHA)), DATA, ec.ECDSA(SHA))
    return b""


OPERATIONS: tuple[Callable[[], bytes], ...] = (
    lambda: cipher.encrypt(NONCE, DATA, b"aad"),
    lambda: other.decrypt(NONCE, other.encrypt(NONCE, DATA, None), None),
    lambda: AESGCM(KEY).encrypt(NONCE, DATA, None),
    lambda: signer.sign(DATA),
    lambda: private.exchange(peer),
    lambda: HKDF(SHA, 64, b"salt", b"info").derive(KEY),
    lambda: keywrap.aes_key_unwrap(KEY, keywrap.aes_key_wrap(KEY, KEY)),
    _hmac,
    _ctr,
    _load,
    _section,
    _verified,
)
EXPECTED = [operation() for operation in OPERATIONS]


def _once() -> int:
    for operation, expected in zip(OPERATIONS, EXPECTED, strict=True):
        assert operation() == expected
    return len(OPERATIONS)


def main(seconds: float, forks: int) -> int:
    """Work for a time; 0 where every result was right and every child ended well."""
    over = threading.Event()
    done = [0] * THREADS
    failed: list[str] = []

    def work(number: int) -> None:
        try:
            while not over.is_set():
                done[number] += _once()
        except BaseException as error:  # noqa: BLE001 - whatever it was, it is told by the main thread
            failed.append(repr(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    half = ""
    for number in range(forks):
        if number == forks // 2:
            half = f"{crypto_heap.status().locked} {crypto_heap.status().unlocked}"
        child = os.fork()
        if child == 0:
            try:
                _once()
                os._exit(0 if not crypto_heap.status().failures else 4)
            finally:
                os._exit(3)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
            failed.append(f"child {number}")
        time.sleep(seconds / forks)
    over.set()
    for thread in threads:
        thread.join()
    found = crypto_heap.status()
    print(sum(done), half, found.locked, found.unlocked, found.outside, len(failed), failed[:3])
    return bool(failed or found.failures)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2])))
