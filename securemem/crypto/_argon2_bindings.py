"""The reference C code of Argon2, as argon2-cffi-bindings has it compiled; the package has no types."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from _argon2_cffi_bindings import ffi as _ffi  # type: ignore[import-untyped]  # has no types
    from _argon2_cffi_bindings import lib as _lib
except ImportError as _missing:
    raise ImportError("Argon2id needs the package argon2-cffi-bindings: pip install 'securemem[argon2]'") from _missing

if TYPE_CHECKING:
    from typing import Any

__all__ = ["ffi", "lib"]

ffi: Any = _ffi
lib: Any = _lib
