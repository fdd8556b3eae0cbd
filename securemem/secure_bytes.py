"""SecureBytes: a secret in locked memory. The type is compiled; `_types.pyi` beside this file has its signatures."""

from __future__ import annotations

from securemem._binding import arenas as binding
from securemem.protection import Protection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem._types import Reveal, SecureBytes
else:
    Reveal, SecureBytes = binding.Reveal, binding.SecureBytes

__all__ = ["Protection", "Reveal", "SecureBytes"]
