"""Secrets in locked, undumpable, wiped-on-release memory.

`SecureBytes` holds one secret; an `Arena` is where secrets live. README.md and docs/ tell the rest.
"""

from __future__ import annotations

from importlib import import_module

from securemem.arenas import Arena, Statistics, configure, fits, purge, statistics
from securemem.exceptions import (
    ArenaClosedError,
    ArenaFullError,
    BackendUnavailableError,
    CapacityError,
    ConfigurationError,
    CryptoHeapError,
    DecryptionError,
    ExportedError,
    ForkedError,
    FrozenError,
    HardLimitError,
    InvalidArgumentError,
    KeyExhaustedError,
    KeyExistsError,
    KeyNotFoundError,
    KeyPolicyError,
    LockError,
    LockFlagsError,
    LockInterruptedError,
    LockLimitError,
    LockLostError,
    LockPermissionError,
    LockPopulateError,
    LockRangeError,
    LockUnsupportedError,
    LockWarning,
    MappingLimitError,
    NoKeyEncryptionKeyError,
    OutOfMemoryError,
    PeerKeyError,
    ProtectionError,
    RandomError,
    ScanRefusedError,
    SecretTextWarning,
    SecureMemError,
    SizeError,
    SourceError,
    StackLimitError,
    StoreBusyError,
    StoreLockedError,
    StoreTimerError,
    SystemRefusalError,
    UnmappedError,
    VerificationError,
    WipedError,
)
from securemem.secure_bytes import Protection, SecureBytes
from securemem.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem import crypto, locking, process
    from securemem.crypto.sealed import SealedBytes
    from securemem.keystore import KeyHandle, KeyStore, Policy
    from securemem.keystore.kek.passphrase import Passphrase

__all__ = [
    "Arena",
    "ArenaClosedError",
    "ArenaFullError",
    "BackendUnavailableError",
    "CapacityError",
    "ConfigurationError",
    "CryptoHeapError",
    "DecryptionError",
    "ExportedError",
    "ForkedError",
    "FrozenError",
    "HardLimitError",
    "InvalidArgumentError",
    "KeyExhaustedError",
    "KeyExistsError",
    "KeyHandle",
    "KeyNotFoundError",
    "KeyPolicyError",
    "KeyStore",
    "LockError",
    "LockFlagsError",
    "LockInterruptedError",
    "LockLimitError",
    "LockLostError",
    "LockPermissionError",
    "LockPopulateError",
    "LockRangeError",
    "LockUnsupportedError",
    "LockWarning",
    "MappingLimitError",
    "NoKeyEncryptionKeyError",
    "OutOfMemoryError",
    "Passphrase",
    "PeerKeyError",
    "Policy",
    "Protection",
    "ProtectionError",
    "RandomError",
    "ScanRefusedError",
    "SealedBytes",
    "SecretTextWarning",
    "SecureBytes",
    "SecureMemError",
    "SizeError",
    "SourceError",
    "StackLimitError",
    "Statistics",
    "StoreBusyError",
    "StoreLockedError",
    "StoreTimerError",
    "SystemRefusalError",
    "UnmappedError",
    "VerificationError",
    "WipedError",
    "__version__",
    "configure",
    "crypto",
    "fits",
    "locking",
    "process",
    "purge",
    "statistics",
]


# Higher layers are loaded at their first use: some need the package `cryptography`, which takes longer to import.
_MODULES = ("crypto", "locking", "process")
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
