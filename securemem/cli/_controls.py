"""Encrypts a file and decrypts it again, chunk by chunk: with everything in locked memory, or in plain bytes.

The two do the same work, so that `securemem demo` can show what each leaves behind. Nothing is written: the
ciphertext of one chunk is kept until the chunk is decrypted and compared. Nonces count up from zero, which is right
for a key that encrypts one file once and is then dropped.
"""

from __future__ import annotations

import hmac
import os
from itertools import count
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from securemem.exceptions import CapacityError
from securemem.secure_bytes import SecureBytes, scrub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["CHUNK", "round_trip_plain", "round_trip_protected", "use_cipher"]

CHUNK = 64 * 1024
_SMALLEST_CHUNK = 1024
_TAG = 16


def _nonce(index: int) -> bytes:
    return index.to_bytes(12, "big")


def _buffers() -> tuple[SecureBytes, SecureBytes]:
    """Two equal buffers of CHUNK bytes, or of fewer where RLIMIT_MEMLOCK leaves no more."""
    size = CHUNK
    while True:
        try:
            return SecureBytes.zeros(size), SecureBytes.zeros(size)
        except CapacityError:
            if size <= _SMALLEST_CHUNK:
                raise
            size //= 2


def _chunks_into(descriptor: int, buffer: memoryview) -> Iterator[tuple[int, int]]:
    """Fill the buffer with one chunk of the file after the other; the number and the length of each."""
    index = offset = 0
    while length := os.preadv(descriptor, [buffer], offset):
        yield index, length
        index += 1
        offset += length


def round_trip_protected(descriptor: int, key: SecureBytes) -> int:
    """Encrypt and decrypt a file by AES-GCM; key, plaintext and decrypted plaintext never leave locked memory.

    descriptor: an open, seekable file; its position is not used. key: 16, 24 or 32 bytes. Returns the number of
    bytes that came back equal, which is the length of the file. The cipher is dropped, and what it left in registers
    and on the dead stack is cleared.

    Raises ValueError when what was decrypted differs, CapacityError where not even 1 KiB twice can be locked.
    """
    done = 0
    plain, decrypted = _buffers()
    encrypted = bytearray(len(plain) + _TAG)
    try:
        with plain, decrypted, plain.reveal(writable=True) as source, decrypted.reveal(writable=True) as target:
            buffer: Any = key  # the signature of AESGCM names a few types only; it keeps what it is given, so no view
            cipher = AESGCM(buffer)
            del buffer
            for index, length in _chunks_into(descriptor, source):
                with (
                    source[:length] as clear,
                    memoryview(encrypted)[: length + _TAG] as sealed,
                    target[:length] as opened,
                ):
                    cipher.encrypt_into(_nonce(index), clear, None, sealed)
                    cipher.decrypt_into(_nonce(index), sealed, None, opened)
                    _check_equal(clear, opened, index)
                done += length
            del cipher
    finally:
        scrub()
    return done


def round_trip_plain(descriptor: int, key: bytes) -> int:
    """The same work as `round_trip_protected`, with key and plaintext in plain bytes."""
    done = 0
    encrypted = bytearray(CHUNK + _TAG)
    cipher = AESGCM(key)
    for index in count():
        clear = os.pread(descriptor, CHUNK, done)
        if not clear:
            break
        with memoryview(encrypted)[: len(clear) + _TAG] as sealed:
            cipher.encrypt_into(_nonce(index), clear, None, sealed)
            _check_equal(clear, cipher.decrypt(_nonce(index), sealed, None), index)
        done += len(clear)
    return done


def _check_equal(clear: bytes | memoryview, opened: bytes | memoryview, index: int) -> None:
    if not hmac.compare_digest(clear, opened):
        raise ValueError(f"chunk {index} of the file was decrypted to something else")


def use_cipher(key: bytes | bytearray | memoryview) -> object:
    """Encrypt a message as programs do, by a cipher that is kept: the cipher."""
    cipher = AESGCM(key)
    cipher.encrypt(os.urandom(12), b"data", None)
    return cipher
