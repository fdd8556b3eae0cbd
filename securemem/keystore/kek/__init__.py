"""Key-encryption keys: what wraps the root key of a store, and unwraps it to unlock. One file for each kind."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem.secure_bytes import SecureBytes

__all__ = ["KeyEncryptionKey", "Rewrapping"]


@runtime_checkable
class KeyEncryptionKey(Protocol):
    """What encrypts a store's root key: a passphrase, or a key that a device or service keeps.

    Both methods are called with the root key's context, which has to be bound (as associated data, for instance). They
    leave no copy of the key but the one returned.
    """

    def wrap(self, key: SecureBytes, context: bytes) -> bytes:
        """Encrypt a key of 32 bytes; the key is left as it is."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> SecureBytes:
        """Decrypt what wrap() gave; DecryptionError when that was with another key or context."""
        ...


class Rewrapping(Protocol):
    """A key-encryption key whose service can seal anew what it sealed before, by a newer version of its own key."""

    def rewrap(self, wrapped: bytes) -> bytes:
        """Give what wrap() gave, sealed anew; nothing of it is in clear here."""
        ...
