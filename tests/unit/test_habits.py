"""The habits of CONTRIBUTING.md that can be counted: sizes of files, reasons beside exceptions, paths left alone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import securemem
from tests.support import ROOT

PACKAGE = Path(securemem.__file__).parent
SOURCES = [*sorted(PACKAGE.rglob("*.py")), *sorted(PACKAGE.rglob("*.pyi"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
C_UNITS = sorted((ROOT / "cffi_build").rglob("*.[ch]"))
PROGRAMS = [path for folder in ("scripts", "examples", "cffi_build") for path in sorted((ROOT / folder).glob("*"))]
EXCEPTION = re.compile(r"#\s*(?:type: ignore|noqa|pyright: ignore)\b")
REASON = re.compile(r"(?:type: ignore\[[\w, -]+\]|noqa: [A-Z0-9, ]+?)\s+(?:-|#)\s*[\w`/]+")


def lines(path: Path) -> int:
    """How many lines a file has."""
    return path.read_text(encoding="utf-8").count("\n")


@pytest.mark.parametrize(
    ("paths", "most", "fewest"),
    [(SOURCES, 400, 100), (C_UNITS, 300, 100), (TESTS, 500, 100)],
    ids=["modules", "C", "tests"],
)
def test_files_are_small(paths, most, fewest):
    """No module over 400 lines, no C file over 300, no test over 500; the control: so many are looked at."""
    assert [f"{path}: {lines(path)}" for path in paths if lines(path) > most] == []
    assert len(paths) > fewest


def ignored(text: str) -> list[str]:
    """The lines that tell mypy to look away."""
    return [line.strip() for line in text.splitlines() if re.search(r"#\s*type: ignore", line)]


def test_the_type_checker_is_hardly_ever_told_to_look_away():
    """At most three lines of the package do so."""
    found = [line for path in SOURCES for line in ignored(path.read_text(encoding="utf-8"))]
    assert len(found) <= 3, found
    control = "x = y  # type: ignore[misc]  # the control"
    assert ignored(f"{control}\nz = 1\n") == [control]


def without_reason(text: str) -> list[str]:
    """The comments that switch a checker off and do not say why."""
    return [line.strip() for line in text.splitlines() if EXCEPTION.search(line) and not REASON.search(line)]


def test_each_exception_has_its_reason():
    """Whoever switches a rule off says why, on the same line."""
    paths = [*SOURCES, *TESTS, *(path for path in PROGRAMS if path.is_file())]
    paths.remove(Path(__file__).resolve())  # it has some for its control
    assert {str(path): found for path in paths if (found := without_reason(path.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize("line", ["import os  # noqa", "import os  # noqa: F401", "x = y  # type: ignore[misc]"])
def test_an_exception_without_a_reason_is_found(line):
    """Positive control; the same with a reason passes."""
    assert without_reason(line) == [line]
    assert without_reason(f"{line if '[' in line or ':' in line else line + ': F401'} - it is needed") == []


def changes_path(text: str) -> bool:
    """Whether a program changes where modules are looked for."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("sys.path.", "site.addsitedir")):
            return True
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(one is not None and ast.unparse(one).startswith("sys.path") for one in targets):
            return True
    return False


def test_no_test_changes_where_modules_are_looked_for():
    """Tests, examples and scripts import what is installed; the control finds each way to do otherwise."""
    files = [path for path in PROGRAMS if path.is_file()]
    programs = [path for path in files if path.suffix == ".py" or b"python3" in path.read_bytes()[:40]]
    assert [str(path) for path in (*TESTS, *programs) if changes_path(path.read_text(encoding="utf-8"))] == []
    for way in ("sys.path.insert(0, '.')", "sys.path += ['.']", "sys.path[:0] = ['.']", "sys.path = []"):
        assert changes_path(f"import sys\n{way}\n")
    assert not changes_path("import sys\nprint(sys.path)\n")
