"""Operations on keys in locked memory, against cryptography with a bytes key and an object built per message.

Both sides take a nonce from os.urandom and give, or take, nonce and ciphertext in one piece.
"""

from __future__ import annotations

import os
import threading
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from securemem import Arena, KeyStore, SealedBytes, SecureBytes
from securemem.crypto import kdf
from securemem.crypto.aead import AlgorithmName, Key
from tests.bench import peers
from tests.bench.measures import Count, Loop, Measure, Outcome, Ratio, statement

KEY = bytes(range(32))
NOACCESS = "noaccess"
KIB, MIB = 1 << 10, 1 << 20
MANY = 1_000_000
ENCRYPT = "nonce = urandom(12); box = nonce + AESGCM(key).encrypt(nonce, data, b'')"
DECRYPT = "plain = AESGCM(key).decrypt(box[:12], memoryview(box)[12:], b'')"

Pair = Iterator[tuple[Loop, Loop]]


@contextmanager
def encrypt(algorithm: AlgorithmName, size: int, at_rest: str = "readwrite") -> Pair:
    """A message of bytes into a new ciphertext; only the key is in the arena."""
    data = os.urandom(size)
    with Arena(at_rest=at_rest) as arena:
        key = Key(SecureBytes.copy_of(KEY, arena=arena), algorithm)
        yield (
            statement("box = key.encrypt(data)", key=key, data=data),
            statement(ENCRYPT, urandom=os.urandom, AESGCM=AESGCM, key=KEY, data=data),
        )


@contextmanager
def encrypt_into_secret(size: int) -> Pair:
    """Bytes into a ciphertext in a new SecureBytes, as where it is encrypted once more, or is a key's."""
    data = os.urandom(size)
    with Arena(at_rest="readwrite") as arena:
        key = Key(SecureBytes.copy_of(KEY, arena=arena), "AES-256-GCM")
        names = {"key": key, "data": data, "zeros": SecureBytes.zeros, "arena": arena, "size": size + key.overhead}
        yield (
            statement("box = zeros(size, arena=arena); key.encrypt_into(data, box)", **names),
            statement(ENCRYPT, urandom=os.urandom, AESGCM=AESGCM, key=KEY, data=data),
        )


@contextmanager
def decrypt(algorithm: AlgorithmName, size: int, at_rest: str = "readwrite") -> Pair:
    """A ciphertext into a new SecureBytes, beside the key in the arena, against one into new bytes."""
    data = os.urandom(size)
    nonce = os.urandom(12)
    with Arena(at_rest=at_rest) as arena:
        key = Key(SecureBytes.copy_of(KEY, arena=arena), algorithm)
        yield (
            statement("plain = key.decrypt(box, arena=arena)", key=key, box=key.encrypt(data), arena=arena),
            statement(DECRYPT, AESGCM=AESGCM, key=KEY, box=nonce + AESGCM(KEY).encrypt(nonce, data, b"")),
        )


@contextmanager
def decrypt_beside_windows() -> Pair:
    """64 bytes from a no-access arena into a new SecureBytes, against cryptography's and the kernel's work for it.

    That work is mprotect there and back for the key and for the plaintext. Most of its price is paid by what runs next,
    as each taking away of access empties the processor's table of pages: cryptography alone takes several times as
    long beside it.
    """
    data, nonce = os.urandom(64), os.urandom(12)
    with Arena() as arena:
        key = Key(SecureBytes.copy_of(KEY, arena=arena), "AES-256-GCM")
        names = {"AESGCM": AESGCM, "key": KEY, "box": nonce + AESGCM(KEY).encrypt(nonce, data, b"")}
        yield (
            statement("plain = key.decrypt(box, arena=arena)", key=key, box=key.encrypt(data), arena=arena),
            statement(f"{DECRYPT}; both(2)", both=peers.windows().protections, **names),
        )


@contextmanager
def hkdf(at_rest: str = "readwrite") -> Pair:
    """32 bytes with salt and info, into a SecureBytes, against cryptography's HKDF into bytes."""
    with Arena(at_rest=at_rest) as arena:
        secret = SecureBytes.copy_of(KEY, arena=arena)
        yield (
            statement("hkdf(secret, 32, salt=b's' * 16, info=b'info', arena=arena)", hkdf=kdf.hkdf, **locals()),
            statement("HKDF(sha, 32, b's' * 16, b'info').derive(key)", HKDF=HKDF, sha=SHA256(), key=KEY),
        )


@contextmanager
def sealed_open_and_close() -> Pair:
    """A SealedBytes opened and wiped again, against a decryption into bytes."""
    with Arena(at_rest="readwrite") as arena:
        sealed = SealedBytes.copy_of(KEY)
        nonce = os.urandom(12)
        yield (
            statement("sealed.open(arena=arena).wipe()", sealed=sealed, arena=arena),
            statement(DECRYPT, AESGCM=AESGCM, key=KEY, box=nonce + AESGCM(KEY).encrypt(nonce, KEY, b"")),
        )


def many_sealed() -> Outcome:
    """As many SealedBytes alive at once; the locked memory that they need, in bytes."""
    with Arena(at_rest="readwrite") as arena:
        SealedBytes.copy_of(KEY).open(arena=arena).wipe()
        before = arena.statistics().process_locked
        start = time.perf_counter()
        alive = [SealedBytes.copy_of(number.to_bytes(32, "big")) for number in range(MANY)]
        seconds = time.perf_counter() - start
        for number in range(0, MANY, MANY // 1000):
            with alive[number].open(arena=arena) as secret:
                assert secret == number.to_bytes(32, "big")
        locked = arena.statistics().process_locked - before
    return Outcome(locked, f"{len(alive):,} alive, made in {seconds:.1f} s; bytes locked for them")


def threaded(use: Callable[[], object], threads: int) -> Loop:
    """The time of one use while so many threads share the repetitions, from their common start to the last's end."""

    def loop(repetitions: int) -> float:
        share = max(1, repetitions // threads)
        start = threading.Barrier(threads + 1)

        def work() -> None:
            timer = timeit.Timer(use)
            start.wait()
            timer.timeit(share)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        start.wait()
        begin = time.perf_counter()
        for worker in workers:
            worker.join()
        return (time.perf_counter() - begin) / (share * threads)

    return loop


def _theirs(data: bytes) -> Callable[[], bytes]:
    """A message encrypted by cryptography's AESGCM, built for it."""

    def encrypt_once() -> bytes:
        nonce = os.urandom(12)
        return nonce + AESGCM(KEY).encrypt(nonce, data, b"")

    return encrypt_once


@contextmanager
def in_threads(threads: int) -> Pair:
    """Messages of 64 KiB by aead.Key in so many threads, against cryptography's AESGCM in as many."""
    data = os.urandom(64 * KIB)
    with Arena(at_rest="readwrite") as arena:
        key = Key(SecureBytes.copy_of(KEY, arena=arena), "AES-256-GCM")
        yield threaded(lambda: key.encrypt(data), threads), threaded(_theirs(data), threads)


@contextmanager
def handle_in_threads(algorithm: AlgorithmName, size: int, threads: int) -> Pair:
    """Messages by a key store's handle in so many threads, against one thread."""
    data = os.urandom(size)
    with Arena(at_rest="readwrite") as arena:
        handle = KeyStore(arena=arena).generate("key", algorithm)
        yield threaded(lambda: handle.encrypt(data), threads), threaded(lambda: handle.encrypt(data), 1)


@contextmanager
def gain_of_threads(threads: int) -> Pair:
    """What so many threads gain over one for messages of 64 KiB: by a handle, against cryptography's AESGCM."""
    data = os.urandom(64 * KIB)
    with Arena(at_rest="readwrite") as arena:
        handle = KeyStore(arena=arena).generate("key", "AES-256-GCM")
        ours = [threaded(lambda: handle.encrypt(data), number) for number in (1, threads)]
        theirs = [threaded(_theirs(data), number) for number in (1, threads)]
        yield tuple(lambda count, pair=pair: pair[1](count) / pair[0](count) for pair in (ours, theirs))


MEASURES: list[Measure] = [
    Ratio("AES-256-GCM encrypt 64 B, readwrite", lambda: encrypt("AES-256-GCM", 64), 1.25),
    Ratio("AES-256-GCM encrypt 64 B, key noaccess", lambda: encrypt("AES-256-GCM", 64, NOACCESS), 4.0),
    Ratio("AES-256-GCM decrypt 64 B, readwrite, fresh SecureBytes", lambda: decrypt("AES-256-GCM", 64), None),
    Ratio("AES-256-GCM decrypt 64 B, noaccess, fresh SecureBytes", lambda: decrypt("AES-256-GCM", 64, NOACCESS), 4.5),
    Ratio("AES-256-GCM decrypt 64 B, noaccess / cryptography's and four mprotects", decrypt_beside_windows, 1.25),
    Ratio("AES-256-GCM encrypt 64 KiB, readwrite", lambda: encrypt("AES-256-GCM", 64 * KIB), 1.15),
    Ratio("AES-256-GCM encrypt 64 KiB, key noaccess", lambda: encrypt("AES-256-GCM", 64 * KIB, NOACCESS), 3.2),
    Ratio(
        "AES-256-GCM encrypt 64 KiB, readwrite, into a fresh SecureBytes", lambda: encrypt_into_secret(64 * KIB), None
    ),
    Ratio("AES-256-GCM decrypt 64 KiB, readwrite, fresh SecureBytes", lambda: decrypt("AES-256-GCM", 64 * KIB), 1.10),
    Ratio(
        "AES-256-GCM decrypt 64 KiB, noaccess, fresh SecureBytes",
        lambda: decrypt("AES-256-GCM", 64 * KIB, NOACCESS),
        2.9,
    ),
    Ratio("AES-256-GCM encrypt 1 MiB, readwrite", lambda: encrypt("AES-256-GCM", MIB), 1.10),
    Ratio("AES-256-GCM encrypt 1 MiB, key noaccess", lambda: encrypt("AES-256-GCM", MIB, NOACCESS), None),
    Ratio("AES-256-GCM decrypt 1 MiB, readwrite, fresh SecureBytes", lambda: decrypt("AES-256-GCM", MIB), 1.10),
    Ratio("AES-256-GCM decrypt 1 MiB, noaccess, fresh SecureBytes", lambda: decrypt("AES-256-GCM", MIB, NOACCESS), 2.1),
    Ratio("KC-XAES-256-GCM encrypt 64 B, readwrite / AES-256-GCM", lambda: encrypt("KC-XAES-256-GCM", 64), 2.8),
    Ratio(
        "KC-XAES-256-GCM encrypt 64 B, noaccess / AES-256-GCM", lambda: encrypt("KC-XAES-256-GCM", 64, NOACCESS), 8.0
    ),
    Ratio("KC-XAES-256-GCM decrypt 64 B, readwrite / AES-256-GCM", lambda: decrypt("KC-XAES-256-GCM", 64), None),
    Ratio("HKDF 32 B, readwrite / cryptography's", hkdf, 2.0),
    Ratio("HKDF 32 B, noaccess / cryptography's", lambda: hkdf(NOACCESS), None),
    Ratio("SealedBytes open+close, readwrite / decryption into bytes", sealed_open_and_close, None),
    Ratio("aead.Key 64 KiB, 2 threads: operations / cryptography's", lambda: in_threads(2), 0.9, "at least", 4000),
    Ratio("aead.Key 64 KiB, 8 threads: operations / cryptography's", lambda: in_threads(8), 0.85, "at least", 4000),
    Ratio(
        "handle KC-XAES-256-GCM 64 B, 8 threads: operations / 1 thread",
        lambda: handle_in_threads("KC-XAES-256-GCM", 64, 8),
        0.95,
        "at least",
        8000,
    ),
    Ratio(
        "handle AES-256-GCM 64 KiB, 2 threads over 1 / cryptography's gain",
        lambda: gain_of_threads(2),
        1,
        "at least",
        2000,
    ),
    Count("bytes locked for 1,000,000 SealedBytes", many_sealed, 0),
]
