"""Secrets in locked, undumpable, wiped-on-release memory.

`SecureBytes` holds one secret; an `Arena` is where secrets live. README.md and docs/ tell the rest.
"""

from __future__ import annotations

from securemem.arenas import Arena, Statistics, configure, fits, purge, statistics
from securemem.exceptions import (
    ArenaClosedError,
    ArenaFullError,
    BackendUnavailableError,
    CapacityError,
    ConfigurationError,
    ExportedError,
    ForkedError,
    FrozenError,
    LockError,
    LockLimitError,
    LockWarning,
    OutOfMemoryError,
    PolicyError,
    ProtectionError,
    RandomError,
    ScanRefusedError,
    SecureMemError,
    SizeError,
    SourceError,
    SystemRefusalError,
    WipedError,
)
from securemem.secure_bytes import Protection, SecureBytes
from securemem.version import __version__

__all__ = [
    "Arena",
    "ArenaClosedError",
    "ArenaFullError",
    "BackendUnavailableError",
    "CapacityError",
    "ConfigurationError",
    "ExportedError",
    "ForkedError",
    "FrozenError",
    "LockError",
    "LockLimitError",
    "LockWarning",
    "OutOfMemoryError",
    "PolicyError",
    "Protection",
    "ProtectionError",
    "RandomError",
    "ScanRefusedError",
    "SecureBytes",
    "SecureMemError",
    "SizeError",
    "SourceError",
    "Statistics",
    "SystemRefusalError",
    "WipedError",
    "__version__",
    "configure",
    "fits",
    "purge",
    "statistics",
]
