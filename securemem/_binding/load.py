"""Loads the two modules of the compiled object."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


def _why_not_there() -> str:
    folder = __file__.rpartition("/securemem/")[0]
    return (
        f"the compiled part of securemem is not in {folder}/securemem, from where it is imported. Where that is the"
        " source tree, Python took it for being in the working directory, before any installed securemem: build in"
        " place, by `scripts/try` or `pip install -e .`, or run from another directory"
    )


def _load_types() -> ModuleType:
    name = "securemem._types"
    compiled = find_spec("securemem._core")
    if compiled is None or compiled.origin is None:
        raise ImportError(_why_not_there())
    loader = ExtensionFileLoader(name, compiled.origin)
    spec = spec_from_file_location(name, compiled.origin, loader=loader)
    if spec is None:
        raise ImportError(f"{name} cannot be loaded from {compiled.origin}")
    module = module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[name] = module
    return module


# The types first: they are what refuses a sub-interpreter.
types = _load_types()
_core = import_module("securemem._core")
ffi: Any = _core.ffi
lib: Any = _core.lib
