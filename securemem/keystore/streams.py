"""Encryption in chunks of what is too long for one message: STREAM.

Source: V. T. Hoang, R. Reyhanitabar, P. Rogaway and D. Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", https://eprint.iacr.org/2015/189.

Each stream has a key of its own, from the key, a random salt, the header and the context by HKDF; the same derivation
gives a commitment to it, which stands in the header and is checked first. Chunks of 64 KiB have the nonce counter ‖
last, so that none can be cut, moved, doubled or added. docs/reference/box-format.md has each byte.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from io import RawIOBase
from os import urandom
from threading import get_ident
from typing import TYPE_CHECKING, Final, Protocol

from securemem.crypto import kdf
from securemem.crypto._ciphers import algorithm_named
from securemem.crypto._prepared import PreparedCipher
from securemem.exceptions import KeyPolicyError
from securemem.keystore.box import HEADER, STREAM, not_decrypted
from securemem.keystore.work import discard
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from securemem.arenas import Arena
    from securemem.keystore.vault import Vault
    from securemem.keystore.versions import Entry, Version

    _Work = Callable[[bytes, memoryview, bytes, memoryview], None]

__all__ = ["CHUNK", "Source", "Target", "decrypt", "encrypt"]

CHUNK: Final = 64 * 1024
_TAG: Final = 16
_SALT: Final = 32
_COMMITMENT: Final = 32
_HEAD: Final = HEADER + _SALT + _COMMITMENT


class Source(Protocol):
    """What is read from: readinto() as of raw binary files, which may give less than asked for and 0 at the end."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Fill the buffer from its begin; the bytes that came."""
        ...


class Target(Protocol):
    """What is written to: write() as of binary files; it must not keep the buffer."""

    def write(self, data: Any, /) -> int | None:
        """Write the data; how many bytes of it were taken."""
        ...


class _Stream:
    """The cipher of one stream, and its counter; ends when the store is locked or the version is taken out of use.

    growth: how many bytes a chunk becomes longer.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - a key, and what is done with it
        self, vault: Vault, entry: Entry, version: Version, cipher: PreparedCipher, work: _Work, growth: int
    ) -> None:
        self._vault = vault
        self._entry = entry
        self._cipher = cipher
        self._work = work
        self._counter = 0
        self._watched = version.watched and growth > 0
        self.version = version
        self.growth = growth
        vault.live.add(self)

    def end(self) -> None:
        self._vault.live.discard(self)
        self._cipher.close()

    def chunk(self, data: memoryview, out: memoryview, *, last: bool) -> None:
        """Encrypt or decrypt the next chunk into a buffer of the size that it becomes, from inside the gate."""
        vault, thread = self._vault, get_ident()
        nonce = self._counter.to_bytes(11, "big") + (b"\1" if last else b"\0")
        self._counter += 1
        vault.in_use.append(thread)
        try:
            if vault.locked_because is not None:
                vault.refuse()
            if self._cipher.closed:
                raise KeyPolicyError(f"key {self._entry.name!r} version {self.version.number} was taken out of use")
            if self._watched:
                self.version.watch(self._entry, len(data))
            self._work(nonce, data, b"", out)
        finally:
            if vault.notes_use:
                vault.leave(thread)
            else:
                vault.in_use.remove(thread)


def _derived(version: Version, secret: SecureBytes, head: bytes, context: bytes) -> tuple[PreparedCipher, bytes]:
    """The cipher of a stream, and the commitment to its key. head: header and salt."""
    algorithm = "ChaCha20-Poly1305" if version.algorithm.name == "ChaCha20-Poly1305" else "AES-256-GCM"
    info = b"securemem stream 1" + head[:HEADER] + context
    with (
        kdf.hkdf(secret, 64, salt=head[HEADER:], info=info) as both,
        both[:32] as key,
        both[32:].reveal() as commitment,
    ):
        return PreparedCipher(algorithm_named(algorithm), key), bytes(commitment)


def _begin(
    version: Version, secret: SecureBytes, head: bytes | memoryview, context: bytes
) -> tuple[Version, PreparedCipher, bytes]:
    """The version, the cipher and the head of a new stream, or the cipher for a head that was read."""
    if not head:
        head = version.header_of(STREAM) + urandom(_SALT)
        cipher, commitment = _derived(version, secret, head, context)
        return version, cipher, head + commitment
    cipher, commitment = _derived(version, secret, bytes(head[:-_COMMITMENT]), context)
    if not hmac.compare_digest(commitment, head[-_COMMITMENT:]):
        cipher.close()
        raise not_decrypted()
    return version, cipher, b""


def encrypt(  # noqa: PLR0913, PLR0917 - what a stream takes
    vault: Vault, entry: Entry, source: Source, target: Target, context: bytes, progress: Callable[[int], None] | None
) -> int:
    """Encrypt a stream; the bytes written after the header. As KeyHandle.encrypt_stream()."""
    _check(source, target)
    version, cipher, head = vault.use(entry, "encrypt", None, _begin, b"", context)
    stream = _Stream(vault, entry, version, cipher, cipher.encrypt_into, _TAG)
    try:
        with _Buffer(CHUNK + 1, vault.arena) as plain:
            _write(target, head)
            return _pump(source, target, plain, memoryview(bytearray(CHUNK + _TAG)), stream, progress)
    finally:
        stream.end()


def decrypt(  # noqa: PLR0913, PLR0917 - what a stream takes
    vault: Vault, entry: Entry, source: Source, target: Target, context: bytes, progress: Callable[[int], None] | None
) -> int:
    """Decrypt a stream; the bytes of plaintext. As KeyHandle.decrypt_stream()."""
    _check(source, target)
    head = bytearray(_HEAD)
    size = _fill(source, memoryview(head))
    version = entry.find(bytes(head[:HEADER])) if size == _HEAD and head[5] == STREAM else None
    if version is None:
        vault.refuse_box(entry, "decrypt")
    version, cipher, _ = vault.use(entry, "decrypt", version, _begin, memoryview(head), context)
    stream = _Stream(vault, entry, version, cipher, cipher.decrypt_into, -_TAG)
    try:
        with _Buffer(CHUNK, vault.arena) as plain:
            return _pump(source, target, memoryview(bytearray(CHUNK + _TAG + 1)), plain, stream, progress)
    finally:
        stream.end()


class _Buffer:
    """A view of so many bytes of locked memory, which are wiped at the end."""

    def __init__(self, size: int, arena: Arena | None) -> None:
        self._secret = SecureBytes.zeros(size, arena=arena)

    def __enter__(self) -> memoryview:
        self._view = memoryview(self._secret.reveal(writable=True))
        return self._view

    def __exit__(self, *_: object) -> None:
        with suppress(BufferError):  # source or target keep a view of it
            self._view.release()
        discard(self._secret)


def _check(source: Source, target: Target) -> None:
    if not hasattr(source, "readinto") or not hasattr(target, "write"):
        raise TypeError("a stream is read by readinto() and written by write(), as binary files have them")


def _pump(  # noqa: PLR0913, PLR0917 - both directions share it
    source: Source,
    target: Target,
    data: memoryview,
    out: memoryview,
    stream: _Stream,
    progress: Callable[[int], None] | None,
) -> int:
    """Read, transform and write chunk by chunk; the bytes written.

    data: room for a chunk and one byte of the next, which tells that there is one.
    """
    size, written = len(data) - 1, len(out)
    readinto, write = source.readinto, target.write
    filled, done = _fill(source, data), 0
    with data[:size] as chunk, data[1:] as rest:  # released at the end, for the sake of a traceback that is kept
        while filled > size:
            stream.chunk(chunk, out, last=False)
            if (count := write(out)) != written:
                _write_rest(target, out, count)
            done += written
            if progress is not None:
                progress(done)
            data[0] = data[size]
            if (count := readinto(rest)) != size:
                count = _fill(source, rest, count)
            filled = 1 + count
    left = filled + stream.growth
    if left < 0 or (left == 0 and done > 0):  # only an empty stream has an empty chunk
        raise not_decrypted()
    with data[:filled] as chunk, out[:left] as result:
        stream.chunk(chunk, result, last=True)
        _write(target, result)
    done += left
    if progress is not None:
        progress(done)
    return done


def _fill(source: Source, view: memoryview, first: int | None = -1) -> int:
    """Read until the view is full or the source ends; the bytes read. first: what was read already, if anything was."""
    done, count = 0, source.readinto(view) if first == -1 else first
    while count:
        done += count
        if done == len(view):
            return done
        count = source.readinto(view[done:])
    if count is None:
        raise BlockingIOError("the source has nothing now: give one that blocks")
    return done


def _write(target: Target, data: bytes | memoryview) -> None:
    """Write all of it."""
    if data:
        _write_rest(target, data, target.write(data))


def _write_rest(target: Target, data: bytes | memoryview, count: int | None) -> None:
    """Go on after a write that took count bytes: raw files may take less than all."""
    done = 0
    while count:
        done += count
        if done >= len(data):
            return
        count = target.write(data[done:])
    if count == 0 or isinstance(target, RawIOBase):  # other writers need not count
        raise BlockingIOError("the target takes nothing now: give one that blocks")
