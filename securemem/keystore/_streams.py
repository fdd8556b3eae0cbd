"""Encryption in chunks of what is too long for one message: STREAM.

Source: V. T. Hoang, R. Reyhanitabar, P. Rogaway and D. Vizár, "Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance", https://eprint.iacr.org/2015/189.

Each stream has a key of its own, from the key, a random salt, the header and the context by HKDF; the same derivation
gives a commitment to it, which stands in the header and is checked first. Chunks of 64 KiB have the nonce counter ‖
last, so that none can be cut, moved, doubled or added. docs/reference/box-format.md has each byte.
"""

from __future__ import annotations

from os import urandom

from securemem._binding.operations import operate
from securemem.crypto import kdf
from securemem.crypto._ciphers import algorithm_named
from securemem.exceptions import KeyPolicyError
from securemem.keystore import _pump
from securemem.keystore._gate import Cell
from securemem.keystore._header import HEADER, STREAM, not_decrypted
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem._types import Cipher, Prepared, Scope
    from securemem.keystore._pump import Source, Target
    from securemem.keystore._stored import StoredKey, Version

    Progress = Callable[[int], None] | None

__all__ = ["CHUNK", "begin", "decrypt", "encrypt", "resume"]

CHUNK = 64 * 1024
_TAG = 16
_SALT = 32
_COMMITMENT = 32
_HEAD = HEADER + _SALT + _COMMITMENT
_DEPTH = 16 * 1024  # of the stack that is cleared at the end


class _Stream(Cell):
    """The cipher of one stream, and its counter; it ends when the store is locked or the version taken out of use."""

    __slots__ = ("_counter", "_watched", "cipher", "version")
    cipher: Cipher

    def __init__(self, version: Version) -> None:
        super().__init__(version.key.contents.gate, version)
        self.version = version
        self._counter = 0
        self._watched = version.key.policy.bounds_each_use

    def _next(self, *, last: bool) -> tuple[Prepared, bytes]:
        """The prepared cipher, and the nonce of the next chunk. Only inside the gate."""
        prepared: Prepared | None = self.value
        if prepared is None:
            version = self.version
            raise KeyPolicyError(f"key {version.key.name!r} version {version.facts.number} was taken out of use")
        nonce = self._counter.to_bytes(11, "big") + (b"\1" if last else b"\0")
        self._counter += 1
        return prepared, nonce

    def encrypt(self, data: memoryview, out: memoryview, last: bool) -> None:
        """Encrypt the next chunk."""
        self.version.key.contents.gate.run(self._encrypt, data, out, last)

    def _encrypt(self, data: memoryview, out: memoryview, last: bool) -> None:
        prepared, nonce = self._next(last=last)
        if self._watched:
            self.version.watch(len(data))
        self.cipher.seal_into(prepared, b"", nonce, data, b"", out)

    def decrypt(self, data: memoryview, out: memoryview, last: bool) -> None:
        """Decrypt the next chunk."""
        self.version.key.contents.gate.run(self._decrypt, data, out, last)

    def _decrypt(self, data: memoryview, out: memoryview, last: bool) -> None:
        prepared, nonce = self._next(last=last)
        self.cipher.open_into(prepared, 0, nonce, data, b"", out)


def _derived(stream: _Stream, secret: SecureBytes, head: bytes, context: bytes) -> SecureBytes:
    """Have the stream hold its cipher; the commitment to its key. head: header and salt."""
    name = stream.version.key.algorithm.name
    info = b"securemem stream 1" + head[:HEADER] + context
    both = kdf.hkdf(secret, 64, salt=head[HEADER:], info=info)
    algorithm = "ChaCha20-Poly1305" if name == "ChaCha20-Poly1305" else "AES-256-GCM"
    stream.cipher = algorithm_named(algorithm).cipher
    stream.hold(stream.cipher.prepare(both[:32]))
    return both[32:]


def begin(version: Version, secret: SecureBytes, _data: bytes, stream: _Stream, context: bytes) -> bytes:
    """The head of a new stream, whose cipher the stream then holds."""
    head = version.header_of(STREAM) + urandom(_SALT)
    commitment = _derived(stream, secret, head, context)
    with commitment.reveal() as view:
        return head + bytes(view)


def resume(_version: Version, secret: SecureBytes, head: bytes, stream: _Stream, context: bytes) -> None:
    """Have the stream hold the cipher for a head that was read; DecryptionError where its commitment is another."""
    if _derived(stream, secret, head[:-_COMMITMENT], context) != head[-_COMMITMENT:]:
        stream.end()
        raise not_decrypted()


def encrypt(source: Source, target: Target, key: StoredKey, context: bytes, progress: Progress) -> int:
    """Encrypt a stream; the bytes written after the header. As KeyHandle.encrypt_stream()."""
    _pump.check(source, target)
    return operate(_DEPTH, _encrypt, key, source, target, context, progress)


def _encrypt(scope: Scope, key: StoredKey, source: Source, target: Target, context: bytes, progress: Progress) -> int:
    stream = _Stream(key.primary)
    head = key.use(begin, stream.version, b"", stream, context)
    plain = SecureBytes.zeros(CHUNK + 1, arena=key.contents.arena)
    data, out = scope.write(plain, "the buffer"), memoryview(bytearray(CHUNK + _TAG))
    _pump.write_all(target, head)
    count = _pump.pump(scope, source, target, data, out, stream.encrypt, _TAG, progress)
    assert count is not None  # noqa: S101 - any chunk can be encrypted
    stream.end()
    return count


def decrypt(source: Source, target: Target, key: StoredKey, context: bytes, progress: Progress) -> int:
    """Decrypt a stream; the bytes of plaintext. As KeyHandle.decrypt_stream()."""
    _pump.check(source, target)
    return operate(_DEPTH, _decrypt, key, source, target, context, progress)


def _decrypt(scope: Scope, key: StoredKey, source: Source, target: Target, context: bytes, progress: Progress) -> int:
    start = bytearray(_HEAD)
    size = _pump.read_full(source, memoryview(start))
    version = key.find(bytes(start[:HEADER]), STREAM) if size == _HEAD else None
    if version is None:
        key.refuse_box("decrypt")
    stream = _Stream(version)
    key.use(resume, version, bytes(start), stream, context)
    plain = SecureBytes.zeros(CHUNK, arena=key.contents.arena)
    out, data = scope.write(plain, "the buffer"), memoryview(bytearray(CHUNK + _TAG + 1))
    count = _pump.pump(scope, source, target, data, out, stream.decrypt, -_TAG, progress)
    if count is None:
        raise not_decrypted()
    stream.end()
    return count
