# The first module of the compiled object, made by cffi from cffi_build/core.cdef.h; only `_binding.load` imports it.
from typing import Any

ffi: Any  # cffi's own types are not typed
lib: Any
