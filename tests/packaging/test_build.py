"""The build: what the shared object is hardened with, and what wheel and sdist contain."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import securemem
from securemem import _core

ROOT = Path(__file__).resolve().parents[2]
OBJECT = _core.__file__


def readelf(*flags):
    """What readelf says of the compiled module."""
    return subprocess.run(["readelf", "-W", *flags, OBJECT], capture_output=True, text=True, check=True).stdout


def test_stable_abi():
    """One object for all Pythons from 3.11 on."""
    assert OBJECT.endswith(".abi3.so")


def test_full_relro_and_no_executable_stack():
    """The relocations are read-only and bound at load; the stack is not executable."""
    assert "GNU_RELRO" in readelf("-l")
    assert re.search(r"\(FLAGS(_1)?\).*NOW", readelf("-d"))
    assert re.search(r"GNU_STACK.* RW ", readelf("-l"))


def test_only_the_two_modules_are_visible():
    """Nothing of the core can be called or replaced from outside."""
    table = readelf("--dyn-syms")
    defined = {
        line.split()[7] for line in table.splitlines() if re.search(r"(FUNC|OBJECT)\s+GLOBAL\s+DEFAULT\s+\d", line)
    }
    assert {"PyInit__core", "PyInit__types"} <= defined
    assert all(name.startswith(("PyInit__", "_cffi_pypyinit")) for name in defined), defined


def test_stack_protector_and_fortify():
    """The stack protector and the checked libc functions are in use."""
    symbols = readelf("--dyn-syms")
    assert "__stack_chk_fail" in symbols


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="control-flow protection by CET is x86's")
def test_control_flow_protection():
    """Every function of ours that can be reached indirectly starts with a landing mark.

    The object's own note is the linker's to write, which leaves it out where the C library's start files lack it.
    """
    code = subprocess.run(["objdump", "-d", OBJECT], capture_output=True, text=True, check=True).stdout
    functions = re.findall(r"^[0-9a-f]+ <(PyInit__core|PyInit__types)>:\n(.*)$", code, re.MULTILINE)
    assert len(functions) == 2
    assert all("endbr64" in first for _, first in functions)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """The wheel and sdist named by SECUREMEM_DIST, or both built now from a copy without git."""
    given = os.environ.get("SECUREMEM_DIST")
    if given:
        return Path(given)
    out = tmp_path_factory.mktemp("dist")
    pytest.importorskip("build", reason="building needs the package `build`: install the extra `test`")
    subprocess.run([sys.executable, "-m", "build", "-q", "--outdir", str(out), str(ROOT)], check=True)
    return out


def test_wheel_contents(artifacts):
    """The wheel has the package, the compiled module, stubs and licence; no sources of C, no tests."""
    (wheel,) = artifacts.glob("*.whl")
    assert f"securemem-{securemem.__version__}-cp311-abi3-" in wheel.name
    names = zipfile.ZipFile(wheel).namelist()
    assert "securemem/_core.abi3.so" in names
    assert {"securemem/py.typed", "securemem/_core.pyi", "securemem/_types.pyi"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.endswith((".c", ".h", ".o"))]
    tops = {"securemem", *(f"securemem-{securemem.__version__}.{kind}" for kind in ("dist-info", "data"))}
    assert {name.split("/")[0] for name in names} == tops
    shared = {name.partition(".data/data/share/")[2] for name in names if ".data/" in name}
    assert shared == {
        "man/man1/securemem.1",
        "bash-completion/completions/securemem",
        "zsh/site-functions/_securemem",
    }
    metadata = zipfile.ZipFile(wheel).read(f"securemem-{securemem.__version__}.dist-info/METADATA").decode()
    runtime = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert {re.split(r"[ >=]+", line.split(": ")[1])[0] for line in runtime} == {"cffi", "cryptography"}


def test_sdist_is_complete(artifacts):
    """The sdist has every file of the project that is kept, so that it builds and tests without git."""
    (sdist,) = artifacts.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("cffi_build", "securemem", "tests", "examples", "docs", "scripts"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".pyi", ".c", ".h", ".md", ".json"} and path.name != "_core.c":
                assert str(path.relative_to(ROOT)) in names
    assert {"README.md", "SECURITY.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "setup.py"} <= names


def test_sdist_builds_without_git(artifacts, tmp_path):
    """A wheel can be built from the unpacked sdist, where no repository is."""
    pytest.importorskip("build", reason="building needs the package `build`: install the extra `test`")
    (sdist,) = artifacts.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    command = [sys.executable, "-m", "build", "-q", "--wheel", "--outdir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, env={**os.environ, "GIT_DIR": "/nonexistent"})
    assert list(tmp_path.glob("*.whl"))
