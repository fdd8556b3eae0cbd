"""C programs over the core's own files, compiled into a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from cffi_build import builder

# setuptools, imported by the builder's cffi, is not what these tests test.
BASE = ["-std=c11", "-D_GNU_SOURCE", "-pthread", *builder.INCLUDES]


@pytest.fixture(scope="session")
def core_sources():
    """The C files of the core for this machine."""
    return builder.CORE


@pytest.fixture(scope="session")
def hardening():
    """The flags that the wheel is built with."""
    return builder.hardening_flags()


@pytest.fixture(scope="session")
def tool():
    """Finds a program on the path; skips the test, and says so, where the machine has none."""

    def find(name):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed on this machine")
        return found

    return find


@pytest.fixture(scope="session")
def compile_program(tmp_path_factory, hardening):
    """Compiles (name, sources) with the core's files; the flags are the wheel's where none are given."""
    folder = tmp_path_factory.mktemp("programs")
    made: dict[tuple[str, ...], list[str]] = {}

    def run(command):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
        assert not done.stderr, done.stderr

    def core_objects(compiler, flags):
        key = (compiler, *flags)
        if key not in made:
            place = folder / f"core{len(made)}"
            place.mkdir()
            for source in builder.CORE:
                run([compiler, *BASE, *flags, "-c", str(source), "-o", str(place / f"{source.stem}.o")])
            made[key] = [str(path) for path in place.glob("*.o")]
        return made[key]

    def compile_one(name, sources, *, compiler=None, flags=None):
        compiler = compiler or os.environ.get("CC", "gcc")
        flags = hardening if flags is None else flags
        program = folder / name
        objects = core_objects(compiler, flags)
        run([compiler, *BASE, *flags, *map(str, sources), *objects, *builder.LINKING, "-o", str(program)])
        return program

    return compile_one
