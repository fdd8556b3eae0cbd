"""The architecture, read from the imports: arrows point down, and what is fenced stays fenced."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

import pytest

import securemem

PACKAGE = Path(securemem.__file__).parent
ROOT = Path(__file__).resolve().parents[2]
# docs/architecture.md tells what each layer is for.
LAYERS = {
    "_frozen": 0,
    "_memory_map": 0,
    "exceptions": 0,
    "scanning": 0,
    "storage": 0,
    "version": 0,
    "_core": 1,
    "_types": 1,
    "protection": 1,
    "_read_back": 1,
    "_binding": 1,
    "arenas": 2,
    "secure_bytes": 2,
    "locking": 3,
    "process": 3,
    "doors": 4,
    "crypto_heap": 4,
    "crypto": 5,
    "keystore": 6,
    "adapters": 7,
    "cli": 8,
    "testing": 8,
    "__main__": 9,
}
# Inside these layers an order holds too.
ORDER_IN_LAYER = {
    0: ["version", "exceptions", "_frozen", "_memory_map", "scanning", "storage"],
    1: ["_core", "_types", "protection", "_read_back", "_binding"],
    3: ["locking", "process"],
    4: ["crypto_heap", "doors"],
    8: ["testing", "cli"],
}


def modules():
    """Every Python source of the package, by its dotted name below securemem."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def imports(path):
    """What a source imports when it runs, type checking left out, as dotted names."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def strings(path):
    """The strings in a source, by which a module can be imported too."""
    tree = ast.parse(path.read_text())
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def own(names):
    """Of dotted names, the modules or packages right below securemem."""
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "securemem" and len(part) > 1 and part[1] in LAYERS}


SOURCES = dict(modules())


@pytest.mark.parametrize("name", [name for name in SOURCES if name])
def test_arrows_point_down(name):
    """A module imports from layers below its own, or from its own package."""
    unit = name.split(".")[0]
    assert unit in LAYERS, f"{unit} has no layer: give it one here and in docs/architecture.md"
    for imported in own(imports(SOURCES[name])) - {unit}:
        if LAYERS[imported] == LAYERS[unit] in ORDER_IN_LAYER:
            order = ORDER_IN_LAYER[LAYERS[unit]]
            assert order.index(imported) < order.index(unit)
        else:
            assert LAYERS[imported] < LAYERS[unit], f"{name} imports {imported}, which is not below it"


def test_the_reader_of_imports_reads():
    """Positive control: the imports of a known module are found."""
    assert {"_read_back", "exceptions"} <= own(imports(SOURCES["_binding.errors"]))


def test_only_binding_touches_the_compiled_module():
    """Neither ffi nor lib is imported anywhere else, by statement or by name."""
    users = {name for name, path in SOURCES.items() if "_core" in own(imports(path)) | own(strings(path))}
    assert {name.split(".")[0] for name in users} == {"_binding"}


def test_only_crypto_imports_cryptography():
    """The primitives are behind one door."""
    users = {name for name, path in SOURCES.items() if any(i.split(".")[0] == "cryptography" for i in imports(path))}
    assert {name for name in users if name.split(".")[0] != "crypto"} == {
        "cli._controls",
        "cli._deep_cases",
        "cli._deep_keys",
    }


def test_only_the_platform_files_make_system_calls():
    """No other unit of the core includes what declares them; the platform's files, the positive control, do."""
    declares = re.compile(r"#include <(sys/|unistd|fcntl|sched|linux/)")
    units = (ROOT / "cffi_build").glob("*/*.[ch]")
    users = {f"{path.parent.name}/{path.name}" for path in units if declares.search(path.read_text())}
    others = ("_doors", "_files", "_locks", "_memory_files", "_stack", "_terminal")
    assert users == {f"platform/linux{name}.c" for name in ("", *others)}


def test_modules_are_small_and_tell_their_job():
    """Every module has a docstring, and none is over 400 lines."""
    for name, path in SOURCES.items():
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), name
        assert text.count("\n") <= 400, name


LIBRARIES = {"securemem.keystore.kek.tpm": "tpm2_pytss"}


def test_every_module_imports():
    """Every module of the package can be imported by itself."""
    for found in pkgutil.walk_packages(securemem.__path__, "securemem."):
        if not found.name.endswith(("__main__", "_bootstrap")):
            library = LIBRARIES.get(found.name, found.name.removeprefix("securemem.adapters."))
            if library == found.name or importlib.util.find_spec(library):  # an adapter needs its library
                importlib.import_module(found.name)
