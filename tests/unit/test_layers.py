"""The architecture, read from the imports: arrows point down, and what is fenced stays fenced."""

from __future__ import annotations

import ast
import importlib
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
    assert {name for name in users if name.split(".")[0] != "crypto"} == {"cli._controls"}


def test_only_the_platform_files_make_system_calls():
    """No other unit of the core includes what declares them; the platform's files, the positive control, do."""
    declares = re.compile(r"#include <(sys/|unistd|fcntl|sched|linux/)")
    units = (ROOT / "cffi_build").glob("*/*.[ch]")
    users = {f"{path.parent.name}/{path.name}" for path in units if declares.search(path.read_text())}
    platform = ("linux", "linux_doors", "linux_files", "linux_locks", "linux_stack", "linux_terminal")
    assert users == {f"platform/{name}.c" for name in platform}


HEAVY = ("ast", "cryptography", "dataclasses", "inspect", "re", "typing")


@pytest.mark.parametrize(
    ("statement", "loads"), [("import securemem", ()), ("import dataclasses", ("dataclasses", "ast"))]
)
def test_import_is_light(statement, loads):
    """`import securemem` loads none of the slow modules; the control, an import of dataclasses, loads two of them."""
    homes = [str(Path(one.__file__).parents[1]) for one in (securemem, cffi)]
    before = f"import sys; sys.path += {homes}"  # without site, which may load them itself
    program = f"{before}\n{statement}\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-IS", "-c", program], check=True, capture_output=True, text=True)
    loaded = ast.literal_eval(done.stdout)
    assert set(loads) <= set(loaded)
    assert loads or not loaded


def test_higher_layers_load_at_their_first_use():
    """`securemem.locking` and its like are there without an import statement, and dir() tells of them."""
    program = "import securemem; print(securemem.locking.__name__, 'crypto' in dir(securemem))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "securemem.locking True\n"


def test_all_names_exist_and_are_sorted():
    """`__all__` names what is there, in order, and every public thing is named."""
    assert securemem.__all__ == sorted(securemem.__all__)
    for name in securemem.__all__:
        assert getattr(securemem, name) is not None
    public = {
        name for name, value in vars(securemem).items() if not name.startswith("_") and hasattr(value, "__module__")
    }
    assert {name for name in public if getattr(securemem, name).__module__.startswith("securemem")} <= set(
        securemem.__all__
    )


def test_every_exception_is_exported():
    """The tree in exceptions.py is public as a whole."""
    exceptions = importlib.import_module("securemem.exceptions")
    assert set(exceptions.__all__) <= set(securemem.__all__)
    for name in exceptions.__all__:
        kind = getattr(exceptions, name)
        assert name in exceptions.__doc__
        assert issubclass(kind, (securemem.SecureMemError, Warning))
        beside = [base for base in kind.__mro__ if base.__module__ == "builtins"]
        assert kind is securemem.SecureMemError or len(beside) > 3, f"{name} derives from a builtin that callers catch"


def test_modules_are_small_and_tell_their_job():
    """Every module has a docstring, and none is over 400 lines."""
    for name, path in SOURCES.items():
        text = path.read_text()
        assert ast.get_docstring(ast.parse(text)), name
        assert text.count("\n") <= 400, name


def test_every_module_imports():
    """Every module of the package can be imported by itself."""
    for found in pkgutil.walk_packages(securemem.__path__, "securemem."):
        if not found.name.endswith(("__main__", "_bootstrap")):
            importlib.import_module(found.name)
