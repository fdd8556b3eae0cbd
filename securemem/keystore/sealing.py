"""The root key, and what is sealed under it: each key and opaque secret bound to all that says what it is and may."""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING

from securemem.crypto._workspace import check_secret
from securemem.crypto.aead import Key
from securemem.exceptions import StoreLockedError
from securemem.keystore.work import discard, held
from securemem.secure_bytes import SecureBytes
from securemem.storage.memory import MemoryRecords

if TYPE_CHECKING:
    from securemem.arenas import Arena
    from securemem.keystore.versions import Entry, Version

__all__ = ["Sealing"]


class Sealing:
    """Sealed records, and the key that opens them while it is here.

    context: what a key-encryption key binds the root key to.
    """

    __slots__ = ("_check", "_identity", "_records", "_root", "context")

    def __init__(self, arena: Arena | None) -> None:
        self._identity = urandom(16)
        self._records = MemoryRecords()
        self._root: Key | None = Key.generate(arena=arena)
        self.context = b"securemem root key 1" + self._identity
        self._check = self._root.encrypt(b"", self.context)

    @property
    def is_open(self) -> bool:
        """Whether the root key is here; securemem.purge() wipes it too."""
        return self._root is not None and not self._root.secret.wiped

    @property
    def root(self) -> Key:
        """The root key; StoreLockedError where it is not here."""
        root = self._root
        if root is None or root.secret.wiped:
            raise StoreLockedError("the key store is locked: securemem.purge() wiped its root key")
        return root

    def open(self, secret: SecureBytes, arena: Arena | None) -> None:
        """Take the root key, which is moved into the arena; DecryptionError, it being wiped, if it is another."""
        check_secret(secret, "what a key-encryption key unwraps")
        with held(secret):
            own = SecureBytes.copy_of(secret, arena=arena)
        try:
            root = Key(own)
            root.decrypt_into(self._check, bytearray(), self.context)
        except BaseException:
            discard(own)
            raise
        self.close()
        self._root = root

    def close(self) -> None:
        """Wipe the root key."""
        root, self._root = self._root, None
        if root is not None:
            discard(root.secret)

    def leave(self) -> None:
        """In a forked child: the root key is not here."""
        self._root = None

    def _key_binding(self, entry: Entry, version: Version) -> bytes:
        name = entry.name.encode()
        parts = (self._identity, version.record, version.key_id, version.number.to_bytes(4, "big"))
        fixed = (entry.algorithm.number.to_bytes(1, "big"), len(name).to_bytes(2, "big"), name)
        return b"".join((b"securemem key 1", *parts, *fixed, entry.policy.encoded()))

    def _secret_binding(self, name: str, record: bytes) -> bytes:
        return b"securemem secret 1" + self._identity + record + name.encode()

    def seal_key(self, entry: Entry, version: Version, secret: SecureBytes) -> None:
        """Seal a version's key into its record."""
        self._records[version.record] = self.root.encrypt(secret, self._key_binding(entry, version))

    def key(self, entry: Entry, version: Version, arena: Arena | None) -> SecureBytes:
        """A version's key in clear."""
        return self.root.decrypt(self._records[version.record], self._key_binding(entry, version), arena=arena)

    def seal_secret(self, name: str, secret: SecureBytes) -> bytes:
        """Seal an opaque secret into a new record; its identity."""
        record = urandom(16)
        self._records[record] = self.root.encrypt(secret, self._secret_binding(name, record))
        return record

    def secret(self, name: str, record: bytes, arena: Arena | None) -> SecureBytes:
        """An opaque secret in clear."""
        return self.root.decrypt(self._records[record], self._secret_binding(name, record), arena=arena)

    def forget(self, record: bytes) -> None:
        """Delete a record."""
        del self._records[record]
