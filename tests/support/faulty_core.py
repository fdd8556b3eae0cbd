"""Loads the module over the faulty platform in place of securemem._core, and plans its failures.

The first argument of the program is the shared object. Import this before securemem.
"""

from __future__ import annotations

import errno
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location

if "securemem" in sys.modules:
    raise ImportError("import this before securemem, which would run over the true platform")
loader = ExtensionFileLoader("_core", sys.argv[1])
spec = spec_from_file_location("_core", sys.argv[1], loader=loader)
assert spec is not None
core = module_from_spec(spec)
loader.exec_module(core)
sys.modules["securemem._core"] = core

ffi, lib = core.ffi, core.lib
VERBS: list[str] = []
while (name := lib.faulty_verb(len(VERBS))) != ffi.NULL:
    VERBS.append(ffi.string(name).decode())
FOREVER = 2**62


def plan(verb: str, first: int = 1, count: int = FOREVER, error: int = errno.ENOMEM, *, after: bool = False) -> None:
    """Let the calls `first` to `first + count - 1` of a verb fail from now on; after: they take effect all the same."""
    lib.faulty_plan(VERBS.index(verb), first, count, error, after)


def fired() -> int:
    """How many calls the plan failed."""
    return int(lib.faulty_fired())


def end_plan() -> int:
    """Let everything succeed again; the number of calls that failed."""
    failed = fired()
    lib.faulty_plan(len(VERBS), 1, 0, 0, False)
    return failed
