"""Secrets in locked, undumpable, wiped-on-release memory.

`SecureBytes` holds one secret; an `Arena` is where secrets live. README.md and docs/ tell the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem.arenas import Arena, Statistics, configure, fits, purge, statistics
from securemem.exceptions import (
    ArenaClosedError,
    ArenaFullError,
    BackendUnavailableError,
    CapacityError,
    ConfigurationError,
    DecryptionError,
    ExportedError,
    ForkedError,
    FrozenError,
    HardLimitError,
    KeyExhaustedError,
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
    OutOfMemoryError,
    PeerKeyError,
    PolicyError,
    ProtectionError,
    RandomError,
    ScanRefusedError,
    SecureMemError,
    SizeError,
    SourceError,
    StackLimitError,
    SystemRefusalError,
    UnmappedError,
    VerificationError,
    WipedError,
)
from securemem.locking import verify
from securemem.secure_bytes import Protection, SecureBytes
from securemem.version import __version__

if TYPE_CHECKING:
    from securemem.crypto.sealed import SealedBytes

__all__ = [
    "Arena",
    "ArenaClosedError",
    "ArenaFullError",
    "BackendUnavailableError",
    "CapacityError",
    "ConfigurationError",
    "DecryptionError",
    "ExportedError",
    "ForkedError",
    "FrozenError",
    "HardLimitError",
    "KeyExhaustedError",
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
    "OutOfMemoryError",
    "PeerKeyError",
    "PolicyError",
    "Protection",
    "ProtectionError",
    "RandomError",
    "ScanRefusedError",
    "SealedBytes",
    "SecureBytes",
    "SecureMemError",
    "SizeError",
    "SourceError",
    "StackLimitError",
    "Statistics",
    "SystemRefusalError",
    "UnmappedError",
    "VerificationError",
    "WipedError",
    "__version__",
    "configure",
    "fits",
    "purge",
    "statistics",
    "verify",
]


def __getattr__(name: str) -> object:
    """Load what needs the package `cryptography` when it is first asked for."""
    if name != "SealedBytes":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from securemem.crypto.sealed import SealedBytes  # noqa: PLC0415 - importing securemem does not import cryptography

    globals()[name] = SealedBytes
    return SealedBytes
