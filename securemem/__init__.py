"""Secrets in locked, undumpable, wiped-on-release memory.

`SecureBytes` holds one secret; an `Arena` is where secrets live. `SealedBytes` holds more secrets than can be locked.
A `KeyStore` gives keys names, rules for their use, versions and a lock.

Of the exceptions the ones that programs catch daily are here; all are in `securemem.exceptions`. The modules `crypto`,
`doors`, `locking` and `process` are loaded at their first use.
"""

from __future__ import annotations

from importlib import import_module

from securemem.arenas import Arena, Statistics, configure, fits, purge, statistics
from securemem.exceptions import (
    CapacityError,
    DecryptionError,
    ExportedError,
    ForkedError,
    KeyNotFoundError,
    LockLimitError,
    LockWarning,
    SecretTextWarning,
    SecureMemError,
    StoreLockedError,
    WipedError,
)
from securemem.protection import Protection
from securemem.secure_bytes import SecureBytes, scrub
from securemem.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem import crypto, doors, locking, process
    from securemem.crypto.sealed import SealedBytes
    from securemem.keystore import KeyHandle, KeyStore, Policy
    from securemem.keystore.kek.passphrase import Passphrase

__all__ = [
    "Arena",
    "CapacityError",
    "DecryptionError",
    "ExportedError",
    "ForkedError",
    "KeyHandle",
    "KeyNotFoundError",
    "KeyStore",
    "LockLimitError",
    "LockWarning",
    "Passphrase",
    "Policy",
    "Protection",
    "SealedBytes",
    "SecretTextWarning",
    "SecureBytes",
    "SecureMemError",
    "Statistics",
    "StoreLockedError",
    "WipedError",
    "__version__",
    "configure",
    "crypto",
    "doors",
    "fits",
    "locking",
    "process",
    "purge",
    "scrub",
    "statistics",
]


# Higher layers are loaded at their first use: some need the package `cryptography`, which takes longer to import.
_MODULES = ("crypto", "doors", "locking", "process")
_LAZY = {
    "KeyHandle": "securemem.keystore",
    "KeyStore": "securemem.keystore",
    "Passphrase": "securemem.keystore.kek.passphrase",
    "Policy": "securemem.keystore",
    "SealedBytes": "securemem.crypto.sealed",
}


def __getattr__(name: str) -> object:
    """Load a name of a higher layer."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    """Name what is not loaded yet, too."""
    return sorted({*globals(), *__all__})
