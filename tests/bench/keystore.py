"""The key store against what lies under it, and against cryptography's objects kept with a bytes key."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from securemem import Arena, KeyHandle, KeyStore
from securemem.crypto.aead import AlgorithmName, Key
from securemem.keystore.streams import CHUNK
from tests.bench.measures import Count, Loop, Measure, Outcome, Ratio, statement

MANY = 100_000
MIB = 1 << 20
KEPT = "nonce = urandom(12); box = nonce + cipher.encrypt(nonce, data, b'')"

Pair = Iterator[tuple[Loop, Loop]]


def _key(arena: Arena, algorithm: AlgorithmName) -> KeyHandle:
    return KeyStore(arena=arena).generate("key", algorithm)


@contextmanager
def handle_over_function(algorithm: AlgorithmName, at_rest: str = "open") -> Pair:
    """KeyHandle.encrypt() of 64 bytes against crypto.aead.Key.encrypt(), which is under it."""
    data = os.urandom(64)
    with Arena(at_rest=at_rest) as arena:
        yield (
            statement("key.encrypt(data)", key=_key(arena, algorithm), data=data),
            statement("key.encrypt(data)", key=Key.generate(algorithm, arena=arena), data=data),
        )


@contextmanager
def session_over_kept(algorithm: AlgorithmName, at_rest: str = "open") -> Pair:
    """Session.encrypt() of 64 bytes against an AESGCM object that is kept, with nonces from os.urandom in both."""
    data = os.urandom(64)
    with Arena(at_rest=at_rest) as arena, _key(arena, algorithm).session() as session:
        kept = AESGCM(os.urandom(32))
        yield (
            statement("session.encrypt(data)", session=session, data=data),
            statement(KEPT, urandom=os.urandom, cipher=kept, data=data),
        )


class _Sink(io.RawIOBase):
    """Takes everything and keeps nothing."""

    def write(self, data: memoryview) -> int:
        return len(data)


@contextmanager
def stream_over_chunks(at_rest: str = "open", *, decrypt: bool = False) -> Pair:
    """8 MiB from memory through a stream, against a kept AESGCM over the same chunks: how many times faster it is."""
    plain = os.urandom(8 * MIB)
    chunks = [plain[at : at + CHUNK] for at in range(0, len(plain), CHUNK)]
    cipher, nonce = AESGCM(os.urandom(32)), bytes(12)
    with Arena(at_rest=at_rest) as arena:
        key = _key(arena, "AES-256-GCM")
        boxed = io.BytesIO()
        key.encrypt_stream(io.BytesIO(plain), boxed)
        sealed = [cipher.encrypt(nonce, chunk, b"") for chunk in chunks]
        names = {"BytesIO": io.BytesIO, "sink": _Sink(), "key": key}
        if decrypt:
            ours = statement("key.decrypt_stream(BytesIO(source), sink)", source=boxed.getvalue(), **names)
            theirs = statement(
                "for chunk in chunks: decrypt(nonce, chunk, b'')", decrypt=cipher.decrypt, chunks=sealed, nonce=nonce
            )
        else:
            ours = statement("key.encrypt_stream(BytesIO(source), sink)", source=plain, **names)
            theirs = statement(
                "for chunk in chunks: encrypt(nonce, chunk, b'')", encrypt=cipher.encrypt, chunks=chunks, nonce=nonce
            )
        yield ours, theirs
