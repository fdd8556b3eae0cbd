"""The C code alone: no warning of two compilers at their strictest, nothing found by their analysers."""

from __future__ import annotations

import subprocess
import sysconfig

import pytest

from cffi_build import builder

BASE = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Werror", *builder.INCLUDES]
STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Wpedantic"]
# Python's own header is not ours to warn of, and its method tables ask for casts that -Wpedantic forbids.
PYTHON = ["-isystem", sysconfig.get_paths()["include"], "-DPy_LIMITED_API=0x030b0000"]
# Without optimisation: it removes what the analyser is to see.
ANALYSERS = {"gcc": ["-O0", "-fanalyzer", "-c"], "clang": ["--analyze", "-Xclang", "-analyzer-werror"]}
CORE = [(path, STRICT) for path in builder.CORE]
TYPES = [(path, ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", *PYTHON]) for path in builder.TYPES]
FILES = pytest.mark.parametrize(("source", "flags"), CORE + TYPES, ids=lambda value: getattr(value, "name", ""))

CONTROLS = {
    "warning": "int narrow(long wide);\nint narrow(long wide) { return wide; }\n",
    "analysis": "#include <stdlib.h>\nint twice(void);\nint twice(void) {\n"
    "    char *a = malloc(1);\n    free(a);\n    free(a);\n    return 0;\n}\n",
}


def complaints(compiler, source, flags):
    """What the compiler says of a file; nothing is kept."""
    done = subprocess.run(
        [compiler, *BASE, *flags, str(source), "-o", "/dev/null"], capture_output=True, text=True, check=False
    )
    assert done.stderr or done.returncode == 0
    return done.stderr


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@FILES
def test_no_warning(tool, compiler, source, flags):
    """The file compiles with warnings as errors."""
    assert complaints(tool(compiler), source, [*flags, "-c"]) == ""


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@FILES
def test_analyser_finds_nothing(tool, compiler, source, flags):
    """The compiler's static analyser has nothing to say."""
    assert complaints(tool(compiler), source, [*flags, *ANALYSERS[compiler]]) == ""


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_warnings_and_analysers_find(tool, tmp_path, compiler):
    """Positive control: a narrowing is warned of, and a double free is found."""
    for name, text in CONTROLS.items():
        (tmp_path / f"{name}.c").write_text(text)
    assert "conversion" in complaints(tool(compiler), tmp_path / "warning.c", [*STRICT, "-c"])
    said = complaints(tool(compiler), tmp_path / "analysis.c", [*STRICT, *ANALYSERS[compiler]])
    assert "free" in said
