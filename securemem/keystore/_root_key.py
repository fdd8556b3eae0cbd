"""The root key, and what is sealed under it: each key and opaque secret bound to all that says what it is and may."""

from __future__ import annotations

from os import urandom

from securemem.crypto import kdf, mac
from securemem.crypto._workspace import check_secret
from securemem.crypto.aead import Key
from securemem.exceptions import InvalidArgumentError, StoreLockedError
from securemem.keystore._gate import Cell, apply
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem.arenas import Arena
    from securemem.keystore._gate import Gate
    from securemem.keystore._stored import Facts, StoredKey
    from securemem.keystore.kek import KeyEncryptionKey

__all__ = ["IDENTITY", "RECORD", "WRAPPED_ROOT", "RootKey"]

RECORD = 16  # bytes that name a record
IDENTITY = bytes(RECORD)  # the record that names the store, and proves its root key
WRAPPED_ROOT = bytes(RECORD - 1) + b"\x01"
_SIZE = 32


class RootKey:
    """The key that opens sealed records, while it is here.

    identity: 16 random bytes that name the store. context: what a key-encryption key binds the root key to. proof: an
    empty message under the root key, by which another key is found out. cell: holds the key.
    """

    __slots__ = ("cell", "context", "identity", "proof")

    def __init__(self, gate: Gate) -> None:
        self.cell: Cell = Cell(gate)
        self.identity: bytes = urandom(16)
        self.context: bytes = b"securemem root key 1" + self.identity
        self.proof: bytes = b""

    def generate(self, arena: Arena | None) -> SecureBytes:
        """A new root key, for the cell."""
        secret = SecureBytes.random(_SIZE, arena=arena)
        self.proof = Key(secret).encrypt(b"", self.context)
        return secret

    def recovered(self, secret: SecureBytes, arena: Arena | None) -> SecureBytes:
        """The root key from what a key-encryption key unwrapped; DecryptionError for another key. secret is wiped."""
        check_secret(secret, "what a key-encryption key unwraps", (_SIZE,))
        own = SecureBytes.copy_of(secret, arena=arena)
        secret.wipe()
        try:
            Key(own).decrypt_into(self.proof, bytearray(), self.context)
        except BaseException:
            apply((own,))
            raise
        return own

    @property
    def is_here(self) -> bool:
        """Whether it is in clear now; securemem.purge() wipes it too."""
        secret = self.cell.value
        return secret is not None and not secret.wiped

    def _key(self) -> Key:
        secret = self.cell.value
        if secret is None or secret.wiped:
            raise StoreLockedError("the key store is locked: securemem.purge() wiped its root key")
        return Key(secret)

    def wrapped_by(self, kek: KeyEncryptionKey) -> bytes:
        """The root key wrapped by a key-encryption key; only inside the gate."""
        wrapped = kek.wrap(self._key().secret, self.context)
        if not isinstance(wrapped, bytes):
            raise TypeError(f"wrap() of a key-encryption key must give bytes, not {type(wrapped).__name__}")
        if not wrapped:
            raise InvalidArgumentError("wrap() of a key-encryption key gave no bytes: they could not be unwrapped")
        return wrapped

    def record_named(self, name: str) -> bytes:
        """Where what is said of a name lies: found again by the name, and telling nothing of it."""
        key = kdf.hkdf_expand(self._key().secret, _SIZE, info=b"securemem names 1" + self.identity)
        record = mac.hmac(key, name.encode())[:RECORD]
        key.wipe()
        return record

    def _binding(self, key: StoredKey, facts: Facts, policy: bytes) -> bytes:
        numbers = (facts.number, facts.drawn, facts.protected)
        parts = (self.identity, key.record, facts.record, facts.key_id, *(one.to_bytes(8, "big") for one in numbers))
        algorithm = key.algorithm.number.to_bytes(1, "big")
        return b"".join((b"securemem key 1", *parts, algorithm, facts.state.encode(), b";", facts.public, policy))

    def seal_key(self, key: StoredKey, facts: Facts, policy: bytes, secret: SecureBytes) -> bytes:
        """A version's key, bound to its facts."""
        return self._key().encrypt(secret, self._binding(key, facts, policy))

    def unseal_key(self, key: StoredKey, facts: Facts, sealed: bytes, arena: Arena | None) -> SecureBytes:
        """A version's key in clear; DecryptionError where its facts are not those that it was sealed with."""
        return self._key().decrypt(sealed, self._binding(key, facts, key.policy.encoded()), arena=arena)

    def seal_secret(self, record: bytes, value: bytes, secret: SecureBytes) -> bytes:
        """An opaque secret, bound to the two records that are its own."""
        return self._key().encrypt(secret, b"securemem secret 1" + self.identity + record + value)

    def unseal_secret(self, record: bytes, value: bytes, sealed: bytes, arena: Arena | None) -> SecureBytes:
        """An opaque secret in clear."""
        return self._key().decrypt(sealed, b"securemem secret 1" + self.identity + record + value, arena=arena)

    def seal_entry(self, record: bytes, entry: bytes) -> bytes:
        """What is said of a name."""
        return self._key().encrypt(entry, b"securemem entry 1" + self.identity + record)
