"""What a store and an envelope ask of a key-encryption key before they trust it with a key."""

from __future__ import annotations

from securemem.exceptions import InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem.keystore.kek import KeyEncryptionKey
    from securemem.secure_bytes import SecureBytes

__all__ = ["check_kek", "wrapped_by"]


def check_kek(kek: KeyEncryptionKey) -> None:
    """TypeError for what is no key-encryption key."""
    if not callable(getattr(kek, "wrap", None)) or not callable(getattr(kek, "unwrap", None)):
        raise TypeError(
            f"a key-encryption key is an object with wrap() and unwrap(), not {type(kek).__name__}: "
            "for a passphrase, Passphrase(SecureBytes.take(bytearray(...)))"
        )


def wrapped_by(kek: KeyEncryptionKey, key: SecureBytes, context: bytes) -> bytes:
    """A key wrapped by a key-encryption key. Raises TypeError or InvalidArgumentError where that is not bytes."""
    wrapped = kek.wrap(key, context)
    if not isinstance(wrapped, bytes):
        raise TypeError(f"wrap() of a key-encryption key must give bytes, not {type(wrapped).__name__}")
    if not wrapped:
        raise InvalidArgumentError("wrap() of a key-encryption key gave no bytes: they could not be unwrapped")
    return wrapped
