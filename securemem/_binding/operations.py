"""Operations that Python code does and C ends, whatever it raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem._binding.load import types

if TYPE_CHECKING:
    from securemem._types import operate
else:
    operate = types.operate

__all__ = ["operate"]
