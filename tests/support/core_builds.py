"""Compiles securemem's module in a build of its own: with the faulty platform, or with sanitizers.

    python -m tests.support.core_builds faulty|sanitized FOLDER

prints the path of the shared object. Never part of the wheel.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cffi_build import builder
from tests.support import ROOT

PLAN = """
const char *faulty_verb(size_t verb);
void faulty_plan(size_t verb, size_t first, size_t count, int error, bool after);
size_t faulty_calls(size_t verb);
size_t faulty_fired(void);
"""
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
# Fortified calls hide from AddressSanitizer, and it wants its own symbols seen.
NOT_SANITIZED = {"-D_FORTIFY_SOURCE=3", "-O2"}


def verbs() -> dict[str, tuple[str, str]]:
    """The verbs of os.h and os_doors.h that can fail: name to parameters and arguments, as C text."""
    header = "".join((ROOT / "cffi_build/platform" / name).read_text() for name in ("os.h", "os_doors.h"))
    found = {}
    for name, parameters in re.findall(r"^int sm_os_(\w+)\(([^)]*)\);", header, re.MULTILINE):
        arguments = [] if parameters == "void" else [one.split()[-1].lstrip("*") for one in parameters.split(",")]
        found[name] = (parameters, ", ".join(arguments))
    if len(found) != len(re.findall(r"^int sm_os_", header, re.MULTILINE)):
        raise ValueError("a verb of os.h is declared in a way that is not understood here")
    return found


def build(folder: Path, core: list[Path], extra_cdef: str, flags: list[str], linking: list[str]) -> Path:
    """Compile into folder, from a copy of the sources so that no object file lands among them."""
    shutil.copytree(ROOT / "cffi_build", folder / "cffi_build")
    shutil.copytree(ROOT / "tests/core", folder / "tests/core")
    module = builder.make("_core", core, extra_cdef=extra_cdef, flags=flags, linking=linking)
    return Path(module.compile(tmpdir=str(folder)))


def faulty(folder: Path, *, counting: bool = False) -> Path:
    """Compile the module over os_faulty.c, every verb of os.h wrapped."""
    wrapped = verbs()
    flags, more = builder.hardening_flags(), []
    if counting:
        flags, more = [*(one for one in flags if one not in NOT_SANITIZED), "-O0", "--coverage"], ["--coverage"]
    lines = [f"VERB({name}, ({parameters}), ({arguments}))\n" for name, (parameters, arguments) in wrapped.items()]
    (folder / "faulty_verbs.h").write_text("".join(lines))
    return build(
        folder,
        [*builder.CORE, ROOT / "tests/core/os_faulty.c"],
        PLAN,
        [*flags, f"-I{folder}"],
        [*builder.LINKING, *more, "-Wl,--wrap=calloc", *(f"-Wl,--wrap=sm_os_{name}" for name in wrapped)],
    )


def sanitized(folder: Path) -> Path:
    """Compile the module as it is, under AddressSanitizer and UndefinedBehaviorSanitizer."""
    flags = [flag for flag in builder.hardening_flags() if flag not in NOT_SANITIZED]
    return build(folder, builder.CORE, "", [*flags, "-O1", "-g", *SANITIZERS], SANITIZERS)


def covered(folder: Path) -> Path:
    """Compile the module over the faulty platform so that it counts its lines, for gcov."""
    return faulty(folder, counting=True)


def build_apart(kind: str, folder: Path) -> Path:
    """Compile one kind of module in a process of its own: setuptools warns, and is not what is tested."""
    command = [sys.executable, "-m", "tests.support.core_builds", kind, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def faulty_core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the shared object in which every verb of os.h fails on plan; compiled once per run."""
    return build_apart("faulty", tmp_path_factory.mktemp("faulty"))


if __name__ == "__main__":
    print({"faulty": faulty, "sanitized": sanitized, "covered": covered}[sys.argv[1]](Path(sys.argv[2])))
