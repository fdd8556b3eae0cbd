"""Keys in clear, out of the store. Nothing in securemem imports this module: who needs it says so in an import.

What is exported is a secret that the program has to look after itself: policy, limits and lock hold for it no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem.keystore.lifecycle import lent
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from securemem.arenas import Arena
    from securemem.keystore.handle import KeyHandle

__all__ = ["export"]


def export(key: KeyHandle, *, version: int | None = None, arena: Arena | None = None) -> SecureBytes:
    """The key itself: a copy of its primary, or the given version, in the given arena or the default one.

    Raises KeyPolicyError for a key that is not extractable, or a version that is disabled or destroyed;
    KeyNotFoundError for a version that does not exist or a deleted key, StoreLockedError while the store is locked.
    """
    with lent(key._vault, key._entry, "export", version) as (_, secret):  # noqa: SLF001 - a handle has no public way to its key
        return SecureBytes.copy_of(secret, arena=arena)
