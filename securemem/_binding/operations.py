"""Operations that end in C, whatever was raised: those that Python code does, and the messages of ciphers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem._binding.load import types

if TYPE_CHECKING:
    from securemem._types import Cipher, Prepared, operate, unwrap_steps, wrap_steps
    from securemem._types import heap_operate as operate_in_section
else:
    Cipher, Prepared, operate = types.Cipher, types.Prepared, types.operate
    operate_in_section = types.heap_operate
    unwrap_steps, wrap_steps = types.unwrap_steps, types.wrap_steps

__all__ = ["Cipher", "Prepared", "operate", "operate_in_section", "unwrap_steps", "wrap_steps"]
