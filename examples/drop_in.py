"""Code that used keys as bytes, before and after: what changes, line by line, when the key moves into locked memory.

    python examples/drop_in.py

Both halves do the same: take a key, encrypt a message, decrypt it, authenticate it, derive a second key. In the first
the key and what comes out of it are bytes, of which Python and OpenSSL make copies that nobody wipes. In the second
they are SecureBytes: read in place, wiped at the end of the with statement, and nothing is left of them.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from securemem import DecryptionError, SecureBytes
from securemem.crypto import aead, kdf, mac

MESSAGE = b"transfer 100 to account 42"


def read_key() -> bytearray:
    """Stands for a file, a pipe or a key service: something that gives the key in a buffer that can be wiped."""
    return bytearray(hashlib.sha256(b"an example").digest())


def before() -> tuple[bytes, bytes]:
    """With bytes: the message decrypted again, and its code."""
    key = bytes(read_key())
    nonce = os.urandom(12)
    box = nonce + AESGCM(key).encrypt(nonce, MESSAGE, b"v1")
    plaintext = AESGCM(key).decrypt(box[:12], box[12:], b"v1")
    derived = HKDF(SHA256(), 32, None, b"authentication").derive(key)
    return plaintext, hmac.digest(derived, MESSAGE, "sha256")


def after() -> tuple[bytes, bytes]:
    """With SecureBytes: each line beside its counterpart above."""
    with SecureBytes.take(read_key()) as secret:  # the buffer it came in is wiped
        key = aead.Key(secret)  # nonces are made inside; a ciphertext opens under this key only
        box = key.encrypt(MESSAGE, b"v1")
        with kdf.hkdf(secret, 32, info=b"authentication") as derived:
            code = mac.hmac(derived, MESSAGE)
        with key.decrypt(box, b"v1") as plaintext, plaintext.reveal() as view:
            return bytes(view), code  # this message is no secret: bytes() is a copy made on purpose


def refused(box: bytes, key: aead.Key) -> bool:
    """Whatever is wrong with a ciphertext, there is one exception to catch."""
    try:
        key.decrypt(box)
    except DecryptionError:
        return True
    return False


def main() -> None:
    """Run both, and show that they agree."""
    print("before and after agree:", before() == after())
    key = aead.Key.generate()
    box = key.encrypt(MESSAGE)
    print("a changed ciphertext is refused:", refused(box[:-1] + bytes([box[-1] ^ 1]), key))
    print("the key, printed:", repr(key.secret))


if __name__ == "__main__":
    main()
