"""Boxes, and wrapped keys: what a key encrypts in one piece; docs/reference/box-format.md has them byte by byte.

`KeyStore.unwrap` reads which key a wrapped one is, and has it opened here.
Each function is called inside the gate: by `Gate.use`, with a version, whose rules were checked, and its key in clear.
Those whose names end in _kept are given a Kept, and the cipher that it keeps prepared.
"""

from __future__ import annotations

from securemem._binding.memory import bytes_of
from securemem.exceptions import KeyPolicyError
from securemem.keystore._gate import Cell
from securemem.keystore._header import DESCRIPTOR, HEADER, WRAPPED, not_decrypted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TypeVar

    from typing_extensions import Buffer

    from securemem._types import Cipher, Prepared
    from securemem.arenas import Arena
    from securemem.keystore._gate import Keeper
    from securemem.keystore._stored import StoredKey, Version
    from securemem.secure_bytes import SecureBytes

    S = TypeVar("S")

__all__ = [
    "Kept",
    "decrypt",
    "decrypt_into",
    "decrypt_into_kept",
    "decrypt_kept",
    "encrypt",
    "encrypt_into",
    "encrypt_into_kept",
    "encrypt_kept",
    "keep",
    "overhead",
    "unwrap",
    "version_of",
    "wrap",
]


class Kept(Cell):
    """The prepared cipher of a session: its version's rules hold for it, and it ends with the version."""

    __slots__ = ("cipher", "header", "version")

    def __init__(self, version: Version) -> None:
        super().__init__(version.key.contents.gate, version)
        self.version: Version = version
        self.header: bytes = version.header
        self.cipher: Cipher = version.cipher

    def admit(self, work: Callable[..., object], data: Any) -> Prepared:
        """Let work begin that the rules do not allow unseen; raises what tells why it may not."""
        self.version.check(work, data)
        if self.value is None:
            self.refuse()
        prepared: Prepared = self.value
        return prepared

    def refuse(self) -> NoReturn:
        """Raise, as it has ended."""
        raise KeyPolicyError(f"this session of key {self.version.key.name!r} has ended: take a new one")


def overhead(version: Version) -> int:
    """How many bytes a box has more than its plaintext."""
    algorithm = version.key.algorithm.cipher
    assert algorithm is not None  # noqa: S101 - only keys for a cipher's algorithm have those usages
    return HEADER + algorithm.nonce_size + algorithm.overhead


def version_of(key: StoredKey, box: Buffer, operation: str = "decrypt") -> Version:
    """The version that made a box; DecryptionError where none of this key did."""
    version = key.find((box if type(box) is bytes else bytes_of(box, "box"))[:HEADER])
    if version is None:
        key.refuse_box(operation)
    return version


def encrypt(version: Version, secret: SecureBytes, data: Buffer, context: bytes) -> bytes:
    """A box: header, nonce and ciphertext, with header and context as associated data."""
    head = version.header
    return version.cipher.seal(secret, head, None, data, head + context if context else head)


def encrypt_into(version: Version, secret: SecureBytes, data: Buffer, out: Buffer, context: bytes) -> None:
    """Encrypt into a buffer of exactly the size of the box."""
    head = version.header
    version.cipher.seal_into(secret, head, None, data, head + context, out)


def decrypt(version: Version, secret: SecureBytes, box: Buffer, context: bytes, arena: Arena | None) -> SecureBytes:
    """The plaintext of a box, one byte or more."""
    return version.cipher.open(secret, HEADER, None, box, version.header + context, arena)


def decrypt_into(version: Version, secret: SecureBytes, box: Buffer, out: Buffer, context: bytes) -> None:
    """The plaintext, into a buffer of exactly its size."""
    version.cipher.open_into(secret, HEADER, None, box, version.header + context, out)


def keep(version: Version, secret: SecureBytes, wanted: Callable[[Kept, Keeper], S], keeper: Keeper) -> S:
    """What is wanted, such as a Session, of a prepared cipher and who keeps the store."""
    kept = Kept(version)
    kept.hold(version.cipher.prepare(secret))
    return wanted(kept, keeper)


def encrypt_kept(kept: Kept, prepared: Prepared, data: Buffer, context: bytes) -> bytes:
    """A box, by a session."""
    head = kept.header
    return kept.cipher.seal(prepared, head, None, data, head + context if context else head)


def encrypt_into_kept(kept: Kept, prepared: Prepared, data: Buffer, out: Buffer, context: bytes) -> None:
    """Encrypt by a session into a buffer of exactly the size of the box."""
    head = kept.header
    kept.cipher.seal_into(prepared, head, None, data, head + context, out)


def decrypt_kept(kept: Kept, prepared: Prepared, box: Buffer, context: bytes, arena: Arena | None) -> SecureBytes:
    """The plaintext of a box, one byte or more, by a session."""
    return kept.cipher.open(prepared, HEADER, None, box, kept.header + context, arena)


def decrypt_into_kept(kept: Kept, prepared: Prepared, box: Buffer, out: Buffer, context: bytes) -> None:
    """The plaintext, by a session, into a buffer of exactly its size."""
    kept.cipher.open_into(prepared, HEADER, None, box, kept.header + context, out)


def wrap(version: Version, secret: SecureBytes, other: SecureBytes, descriptor: bytes, context: bytes) -> bytes:
    """A wrapped key: header, what the key is, nonce and ciphertext, with the first two and the context bound."""
    head = version.header_of(WRAPPED) + descriptor
    return version.cipher.seal(secret, head, None, other, head + context)


def unwrap(version: Version, secret: SecureBytes, wrapped: bytes, context: bytes) -> SecureBytes:
    """The key in what wrap() gave; DecryptionError where that was changed, or holds nothing."""
    start = HEADER + DESCRIPTOR
    if len(wrapped) == overhead(version) + DESCRIPTOR:
        raise not_decrypted()
    return version.cipher.open(secret, start, None, wrapped, wrapped[:start] + context, None)
