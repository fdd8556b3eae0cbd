"""SecureBytes: a secret in locked memory. The type is compiled; `_types.pyi` beside this file has its signatures."""

from __future__ import annotations

from securemem.binding import Reveal, SecureBytes
from securemem.protection import Protection

__all__ = ["Protection", "Reveal", "SecureBytes"]
