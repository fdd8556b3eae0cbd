"""Operations that end in C, whatever was raised: those that Python code does, and the messages of ciphers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem._binding.load import types

if TYPE_CHECKING:
    from securemem._types import Cipher, Prepared, operate, unwrap_steps
else:
    Cipher, operate, unwrap_steps = types.Cipher, types.operate, types.unwrap_steps
    Prepared = types.Prepared

__all__ = ["Cipher", "Prepared", "operate", "unwrap_steps"]
