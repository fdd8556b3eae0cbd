"""Names for keys, rules for their use, and a lock.

Passphrase is in `securemem.keystore.kek.passphrase` (and `securemem.Passphrase`), as it needs argon2-cffi-bindings.
"""

from __future__ import annotations

from securemem.keystore._details import Item
from securemem.keystore._stored import State, VersionInfo
from securemem.keystore.audit import Event
from securemem.keystore.handle import KeyHandle
from securemem.keystore.kek import KeyEncryptionKey
from securemem.keystore.policy import Policy
from securemem.keystore.session import Session
from securemem.keystore.store import KeyStore

__all__ = ["Event", "Item", "KeyEncryptionKey", "KeyHandle", "KeyStore", "Policy", "Session", "State", "VersionInfo"]
