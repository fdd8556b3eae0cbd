"""Keys in clear, out of the store. Nothing in securemem imports this module: who needs it says so in an import.

What is exported is a secret that the program has to look after itself: policy, limits and lock hold for it no more.
"""

from __future__ import annotations

from securemem.keystore._lending import lend
from securemem.keystore.handle import stored_key
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem.arenas import Arena
    from securemem.keystore._stored import Version
    from securemem.keystore.handle import KeyHandle

__all__ = ["export"]


def export(key: KeyHandle, *, version: int | None = None, arena: Arena | None = None) -> SecureBytes:
    """The key itself: a copy of its primary, or the given version, in the given arena or the default one.

    Raises KeyPolicyError for a key that is not extractable, or a version that is disabled or destroyed;
    KeyNotFoundError for a version that does not exist or a deleted key, StoreLockedError while the store is locked.
    """
    return lend(stored_key(key), "export", version, _copy, arena)


def _copy(_version: Version, secret: SecureBytes, arena: Arena | None) -> SecureBytes:
    return SecureBytes.copy_of(secret, arena=arena)
