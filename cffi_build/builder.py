"""Declares the compiled module: its surface, its sources, its hardening flags, and nothing else."""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
# The machine that is built for, which need not be the one that builds: `_PYTHON_HOST_PLATFORM=linux-aarch64` says it
# to setuptools, to the wheel's name, and here.
MACHINE = sysconfig.get_platform().rpartition("-")[2]
# setuptools wants paths relative to the folder that holds setup.py.
ROOT = HERE.parent

FOLDERS = [HERE / name for name in ("core", "platform", "locks", "heap", "crypto", "doors", "scan")]
PER_MACHINE = set((HERE / "platform").glob("registers_*.c"))
CORE = sorted({source for folder in FOLDERS for source in folder.glob("*.c")} - PER_MACHINE)
CORE += [one for one in PER_MACHINE if one.stem == f"registers_{MACHINE}"]
TYPES = sorted((HERE / "types").glob("*.c"))
HEADERS = [*sorted(HERE.glob("*/*.h")), HERE / "core.cdef.h"]
# What core.cdef.h declares is declared in these.
SURFACE = ["securemem", "wipe", "blocks", "patterns", "doors", "heap", "entries", "scrub_points", "slots"]
SURFACE += ["python_allocator"]
INCLUDES = [f"-I{folder}" for folder in FOLDERS]

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Werror=implicit-function-declaration"]
HARDENING = ["-O2", "-std=c11", "-D_GNU_SOURCE", "-fvisibility=hidden", "-fstack-protector-strong"]
HARDENING += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"]
# Not every compiler has these: each is tried.
TRIED = ["-fstack-clash-protection", "-fcf-protection=full", "-mbranch-protection=standard"]
LINKING = ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]


if not any(source.stem == f"registers_{MACHINE}" for source in CORE):
    known = ", ".join(sorted(source.stem.removeprefix("registers_") for source in PER_MACHINE))
    raise SystemExit(f"securemem has no code for {MACHINE}: it is written for {known}")


def compiler_has(flag: str) -> bool:
    """Whether the C compiler that the module is built with takes the flag without a word."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "empty.c")
        source.write_text("int empty;\n")
        command = [*compiler, "-Werror", flag, "-c", str(source), "-o", str(source.with_suffix(".o"))]
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except FileNotFoundError:  # no compiler: tests that compile nothing may go on, and a build says so itself
            return False


def hardening_flags() -> list[str]:
    """The compiler flags of every build of the core, tests' builds included."""
    return WARNINGS + HARDENING + [flag for flag in TRIED if compiler_has(flag)]


def make(name: str, core: list[Path], *, extra_cdef: str = "", flags: list[str], linking: list[str]) -> FFI:
    """The module `name` from these core sources; tests build theirs with other ones."""
    builder = FFI()
    builder.cdef((HERE / "core.cdef.h").read_text() + extra_cdef)
    builder.set_source(
        name,
        "".join(f'#include "{name}.h"\n' for name in SURFACE) + extra_cdef,
        sources=[str(path.relative_to(ROOT)) for path in [*core, *TYPES]],
        include_dirs=[str(folder.relative_to(ROOT)) for folder in FOLDERS],
        depends=[str(path.relative_to(ROOT)) for path in HEADERS],
        extra_compile_args=flags,
        extra_link_args=linking,
        define_macros=[("Py_LIMITED_API", "0x030b0000")],
        py_limited_api=True,
    )
    return builder


ffibuilder = make("securemem._core", CORE, flags=hardening_flags(), linking=LINKING)
