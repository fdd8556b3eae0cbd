"""The key store against what lies under it, and against cryptography's objects kept with a bytes key."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from securemem import Arena, KeyHandle, KeyStore
from securemem.crypto.aead import AlgorithmName, Key
from securemem.keystore._streams import CHUNK
from tests.bench.measures import Count, Loop, Measure, Outcome, Ratio, statement

MANY = 100_000
MIB = 1 << 20
KEPT = "nonce = urandom(12); box = nonce + cipher.encrypt(nonce, data, b'')"

Pair = Iterator[tuple[Loop, Loop]]


def _key(arena: Arena, algorithm: AlgorithmName) -> KeyHandle:
    return KeyStore(arena=arena).generate("key", algorithm)


NOACCESS = "noaccess"


@contextmanager
def handle_over_function(algorithm: AlgorithmName, at_rest: str = "readwrite") -> Pair:
    """KeyHandle.encrypt() of 64 bytes against crypto.aead.Key.encrypt(), which is under it."""
    data = os.urandom(64)
    with Arena(at_rest=at_rest) as arena:
        yield (
            statement("key.encrypt(data)", key=_key(arena, algorithm), data=data),
            statement("key.encrypt(data)", key=Key.generate(algorithm, arena=arena), data=data),
        )


@contextmanager
def session_over_kept(algorithm: AlgorithmName, at_rest: str = "readwrite") -> Pair:
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
def stream_over_chunks(at_rest: str = "readwrite", *, decrypt: bool = False) -> Pair:
    """32 MiB from memory through a stream, against a kept AESGCM over the same chunks: how many times faster it is."""
    plain = os.urandom(32 * MIB)
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


def _fill(store: KeyStore, count: int) -> list[str]:
    """So many keys; their names."""
    names = [f"key {number}" for number in range(count)]
    for name in names:
        store.generate(name, "AES-256-GCM")
    return names


@contextmanager
def lookup(many: int = MANY, few: int = 1000) -> Pair:
    """A handle by its name among 100,000 keys, against one among 1,000."""
    code = "for name in chosen: store[name]"
    large, small = KeyStore(), KeyStore()
    names = _fill(large, many)
    yield (
        statement(code, store=large, chosen=names[:: many // 100]),
        statement(code, store=small, chosen=_fill(small, few)[:: few // 100]),
    )


STREAM = """
import io, resource, sys
from securemem import KeyStore

class Zeros(io.RawIOBase):
    left = int(sys.argv[1]) << 20
    def readinto(self, buffer):
        count = min(len(buffer), self.left)
        self.left -= count
        return count

class Sink(io.RawIOBase):
    def write(self, data): return len(data)

def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
key = KeyStore().generate("key", "AES-256-GCM")
key.encrypt(b"x")
before = peak()
key.encrypt_stream(Zeros(), Sink())
print(peak() - before)
"""


def memory_of_a_stream(mib: int = 4096) -> Outcome:
    """How many MiB more memory a process has at its peak after a stream of 4 GiB."""
    done = subprocess.run([sys.executable, "-c", STREAM, str(mib)], capture_output=True, text=True, check=True)
    return Outcome(int(done.stdout) / 1024, f"peak resident size, {mib} MiB streamed")


MEASURES: list[Measure] = [
    Ratio("handle, default algorithm, 64 B / the function", lambda: handle_over_function("KC-XAES-256-GCM"), 1.08),
    Ratio("handle, AES-256-GCM, 64 B / the function", lambda: handle_over_function("AES-256-GCM"), 1.08),
    Ratio(
        "handle, AES-256-GCM, 64 B, closed / the function",
        lambda: handle_over_function("AES-256-GCM", NOACCESS),
        None,
    ),
    Ratio("session, AES-256-GCM, 64 B / a kept AESGCM", lambda: session_over_kept("AES-256-GCM"), 1.6),
    Ratio("session, default algorithm, 64 B / a kept AESGCM", lambda: session_over_kept("KC-XAES-256-GCM"), 4.0),
    Ratio("session, AES-256-GCM, closed / a kept AESGCM", lambda: session_over_kept("AES-256-GCM", NOACCESS), None),
    Ratio("encrypt_stream: speed over AESGCM on the same chunks", stream_over_chunks, 0.9, "at least", 1),
    Ratio(
        "decrypt_stream: speed over AESGCM on the same chunks",
        lambda: stream_over_chunks(decrypt=True),
        0.9,
        "at least",
        1,
    ),
    Ratio("encrypt_stream, closed: the same", lambda: stream_over_chunks(NOACCESS), None, "at least", 1),
    Ratio("lookup among 100,000 keys / among 1,000", lookup, 1.5),
    Count("MiB more memory for a stream of 4 GiB", memory_of_a_stream, 32),
]
