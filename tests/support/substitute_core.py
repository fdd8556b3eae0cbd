"""A pytest plugin (-p tests.support.substitute_core): securemem runs over SUBSTITUTE_CORE, a shared object."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location

PATH = os.environ["SUBSTITUTE_CORE"]
loader = ExtensionFileLoader("_core", PATH)
spec = spec_from_file_location("_core", PATH, loader=loader)
assert spec is not None
core = module_from_spec(spec)
loader.exec_module(core)
sys.modules["securemem._core"] = core
