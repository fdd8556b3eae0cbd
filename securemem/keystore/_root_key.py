"""The root key, and what is sealed under it: each key and opaque secret bound to all that says what it is and may."""

from __future__ import annotations

from os import urandom

from securemem.crypto import kdf, mac
from securemem.crypto._workspace import check_secret
from securemem.crypto.aead import Key
from securemem.exceptions import StoreLockedError
from securemem.keystore._gate import Cell, apply
from securemem.keystore.kek._checks import wrapped_by
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem.arenas import Arena
    from securemem.keystore._gate import Gate
    from securemem.keystore._stored import Facts, StoredKey
    from securemem.keystore.kek import KeyEncryptionKey

__all__ = [
    "GENERATION",
    "IDENTITY",
    "INDEX",
    "MOST_WRAPPED",
    "RECORD",
    "WRAPPED_ROOT",
    "RootKey",
    "is_of_index",
    "is_of_name",
    "new_record",
]

RECORD = 16  # bytes that name a record
IDENTITY = bytes(RECORD)  # the record that names the store, and proves its root key
WRAPPED_ROOT = bytes(RECORD - 1) + b"\x01"  # more of them follow, in a store that has several key-encryption keys
MOST_WRAPPED = 255
INDEX = bytes(RECORD - 3) + b"\x01"  # two bytes more name a record of the index
GENERATION = 8  # bytes before each sealed record: which change of the store wrote it
_SIZE = 32
_OF_A_VALUE = (
    0x80  # in the first byte of the name of a record: it is that of a key or secret, not of what is said of one
)


def new_record() -> bytes:
    """A name for the record of a key or an opaque secret."""
    first, *others = urandom(RECORD)
    return bytes((first | _OF_A_VALUE, *others))


def is_of_index(identity: bytes) -> bool:
    """Whether a record is one of the index."""
    return identity[:-2] == INDEX


def is_of_name(identity: bytes) -> bool:
    """Whether a record is what is said of a name."""
    return identity[0] < _OF_A_VALUE and any(identity[: len(INDEX) - 1])


class RootKey:
    """The key that opens sealed records, while it is here.

    identity: 16 random bytes that name the store. context: what a key-encryption key binds the root key to. proof: an
    empty message under the root key, by which another key is found out. cell: holds the key. generation: of the change
    that seals now, bound to what it seals. entries: those that were sealed for a change, in clear, for the index.
    """

    __slots__ = ("cell", "context", "entries", "generation", "identity", "proof")

    def __init__(self, gate: Gate) -> None:
        self.cell: Cell = Cell(gate)
        self.proof: bytes = b""
        self.generation: int = 0
        self.entries: dict[bytes, bytes] | None = None
        self.name(urandom(16))

    def name(self, identity: bytes) -> None:
        """Be the root key of the store of that identity."""
        self.identity: bytes = identity
        self.context: bytes = b"securemem root key 1" + identity

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

    def key(self) -> Key:
        """What encrypts by it; only inside the gate. StoreLockedError where purge() wiped it."""
        secret = self.cell.value
        if secret is None or secret.wiped:
            raise StoreLockedError("the key store is locked: securemem.purge() wiped its root key")
        return Key(secret)

    def wrapped_by(self, kek: KeyEncryptionKey) -> bytes:
        """The root key wrapped by a key-encryption key; only inside the gate."""
        return wrapped_by(kek, self.key().secret, self.context)

    def record_named(self, name: str) -> bytes:
        """Where what is said of a name lies: found again by the name, and telling nothing of it."""
        key = kdf.hkdf_expand(self.key().secret, _SIZE, info=b"securemem names 1" + self.identity)
        record = mac.hmac(key, name.encode())
        key.wipe()
        return bytes((record[0] & ~_OF_A_VALUE,)) + record[1:RECORD]

    def _seal(self, secret: SecureBytes | bytes, binding: bytes) -> bytes:
        generation = self.generation.to_bytes(GENERATION, "big")
        return generation + self.key().encrypt(secret, generation + binding)

    def _unseal(self, sealed: bytes, binding: bytes, arena: Arena | None) -> SecureBytes:
        return self.key().decrypt(memoryview(sealed)[GENERATION:], sealed[:GENERATION] + binding, arena=arena)

    def _binding(self, key: StoredKey, facts: Facts, policy: bytes, record: bytes) -> bytes:
        numbers = (facts.number, facts.drawn, facts.protected)
        parts = (self.identity, record, facts.record, facts.key_id, *(one.to_bytes(8, "big") for one in numbers))
        algorithm = key.algorithm.number.to_bytes(1, "big")
        return b"".join((b"securemem key 1", *parts, algorithm, facts.state.encode(), b";", facts.public, policy))

    def seal_key(
        self, key: StoredKey, facts: Facts, policy: bytes, secret: SecureBytes, record: bytes | None = None
    ) -> bytes:
        """A version's key, bound to its facts, and to the key's record or another that it is to have."""
        return self._seal(secret, self._binding(key, facts, policy, record or key.record))

    def unseal_key(self, key: StoredKey, facts: Facts, sealed: bytes, arena: Arena | None) -> SecureBytes:
        """A version's key in clear; DecryptionError where its facts are not those that it was sealed with."""
        return self._unseal(sealed, self._binding(key, facts, key.policy.encoded(), key.record), arena)

    def seal_secret(self, record: bytes, value: bytes, secret: SecureBytes) -> bytes:
        """An opaque secret, bound to the two records that are its own."""
        return self._seal(secret, b"securemem secret 1" + self.identity + record + value)

    def unseal_secret(self, record: bytes, value: bytes, sealed: bytes, arena: Arena | None) -> SecureBytes:
        """An opaque secret in clear."""
        return self._unseal(sealed, b"securemem secret 1" + self.identity + record + value, arena)

    def seal_entry(self, record: bytes, entry: bytes) -> bytes:
        """What is said of a name."""
        if self.entries is not None:
            self.entries[record] = entry
        return self._seal(entry, b"securemem entry 1" + self.identity + record)

    def unseal_entry(self, record: bytes, sealed: bytes) -> SecureBytes:
        """What is said of a name, in locked memory."""
        return self._unseal(sealed, b"securemem entry 1" + self.identity + record, None)

    def binding_of_entry(self, record: bytes, sealed: bytes) -> bytes:
        """What it is bound to."""
        return sealed[:GENERATION] + b"securemem entry 1" + self.identity + record

    def seal_index(self, record: bytes, plain: SecureBytes) -> bytes:
        """A part of the index."""
        return self._seal(plain, b"securemem index 1" + self.identity + record)

    def unseal_index(self, record: bytes, sealed: bytes) -> SecureBytes:
        """A part of the index, in locked memory."""
        return self._unseal(sealed, b"securemem index 1" + self.identity + record, None)
