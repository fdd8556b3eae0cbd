"""The face of the package: which names are public, where each comes from, and that importing them is light."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import cffi
import pytest

import securemem
from securemem import exceptions

PACKAGE = Path(securemem.__file__).parent
DAILY = {
    *("SecureBytes", "Arena", "Statistics", "Protection", "SealedBytes", "KeyStore", "KeyHandle", "Policy"),
    *("Passphrase", "configure", "statistics", "fits", "purge", "scrub", "__version__"),
    *("crypto", "doors", "locking", "process"),
    *("SecureMemError", "WipedError", "ForkedError", "ExportedError", "CapacityError", "LockLimitError"),
    *("DecryptionError", "KeyNotFoundError", "StoreLockedError", "LockWarning", "SecretTextWarning"),
}
MODULES = {
    *("arenas", "exceptions", "locking", "protection", "scanning", "secure_bytes", "version", "process", "keystore"),
    *("crypto.aead", "crypto.agreement", "crypto.argon2", "crypto.hazmat", "crypto.kdf", "crypto.kem", "crypto.mac"),
    *("crypto.private_keys", "crypto.rsa_oaep"),
    *("crypto.sealed", "crypto.signing", "crypto.wrap"),
    *("keystore.store", "keystore.handle", "keystore.session", "keystore.policy", "keystore.audit"),
    *("keystore.cleartext", "keystore.kek", "keystore.kek.key_file", "keystore.kek.passphrase", "keystore.file_store"),
    *("keystore.envelope", "keystore.kek.first_available", "keystore.kek.transit", "keystore.kek.aws_kms"),
    *("keystore.kek.pkcs11", "keystore.kek.secret_service", "keystore.kek.tpm"),
    *("adapters", "adapters.hmac", "adapters.logging", "adapters.smtplib", "adapters.ssl"),
    *("crypto_heap", "doors", "locking.specification", "testing.conformance"),
}


# Its library is built against the headers of tpm2-tss, which not every machine has.
AWAY = set() if importlib.util.find_spec("tpm2_pytss") else {"keystore.kek.tpm"}


def targets(statement):
    """The names that a statement assigns."""
    found = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {name.id for target in found for name in ast.walk(target) if isinstance(name, ast.Name)}


def names_of(path):
    """The names that a source defines at its top; and those that it may list besides: another module's."""
    defined, others = set(), set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            defined |= targets(node)
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("securemem."):
            others |= {name.asname or name.name for name in node.names}
        elif isinstance(node, ast.If):  # TYPE_CHECKING: the stub's names there, the compiled ones here
            others |= {name for one in node.orelse if isinstance(one, ast.Assign) for name in targets(one)}
    return {name for name in defined - {"TYPE_CHECKING"} if not name.startswith("_") or name == "__version__"}, others


def source(module):
    """Where the source of a public module lies."""
    path = PACKAGE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_the_top_level():
    """The names of daily use, in order, each there; nothing else is promised, and nothing else is lying about."""
    assert securemem.__all__ == sorted(securemem.__all__)
    assert set(securemem.__all__) == DAILY
    for name in securemem.__all__:
        assert getattr(securemem, name) is not None
    loaded = {name for name, value in vars(securemem).items() if not inspect.ismodule(value)}
    assert {name for name in loaded if not name.startswith("_")} - DAILY == {
        "TYPE_CHECKING",
        "annotations",
        "import_module",
    }


def test_which_modules_are_public():
    """A module without an underscore in its path is public, and is in the list above; the command has its own."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts and not any(part.startswith("_") for part in parts):
            found.add(".".join(parts))
    # Adapters for libraries that need not be installed have names of their own, and tests of their own.
    libraries = (
        "httpx",
        "requests",
        "pydantic",
        "pydantic_settings",
        "nacl",
        "jwt",
        "itsdangerous",
        "flask",
        "psycopg",
        "redis",
        "boto3",
        "argon2",
        "bcrypt",
        "keyring",
        "logind",
    )
    foreign = {f"adapters.{library}" for library in libraries}
    others = foreign | {name for name in found if name.startswith(("cli", "storage"))}
    assert found - others - {"crypto", "testing"} == MODULES


@pytest.mark.parametrize("module", sorted(MODULES - AWAY))
def test_public_names_are_listed(module):
    """Of a public module, `__all__` has exactly the names without an underscore that it defines."""
    listed = importlib.import_module(f"securemem.{module}").__all__
    defined, others = names_of(source(module))
    assert defined <= set(listed) <= defined | others


def test_each_name_comes_from_one_place():
    """No two public modules list the same name for different things, and a face lists what its modules define."""
    homes = {}
    for module in sorted(MODULES - AWAY - {"testing.conformance"}):  # a tool, whose run() is not doors.run()
        loaded = importlib.import_module(f"securemem.{module}")
        for name in loaded.__all__:
            value = getattr(loaded, name)
            assert homes.setdefault(name, value) is value, f"{name} of {module} is another one elsewhere"
    for name in DAILY - {"crypto", "doors", "locking", "process"}:
        assert homes[name] is getattr(securemem, name)


def test_every_exception_is_in_the_tree():
    """Each exception and warning is public in securemem.exceptions, drawn there, and derives as callers expect."""
    for name in exceptions.__all__:
        kind = getattr(exceptions, name)
        assert f" {name} " in exceptions.__doc__.replace("\n", " ")
        assert issubclass(kind, (securemem.SecureMemError, Warning))
        beside = [base for base in kind.__mro__ if base.__module__ == "builtins"]
        assert kind is securemem.SecureMemError or len(beside) > 3, f"{name} derives from a builtin that callers catch"


def test_no_exception_is_defined_elsewhere():
    """No other public module defines an exception."""
    for module in sorted(MODULES - AWAY - {"exceptions"}):
        for node in ast.parse(source(module).read_text()).body:
            bases = [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
            assert not [one for one in bases if one.endswith(("Error", "Exception", "Warning"))], module


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


def documented(module):
    """The public classes and functions of a module, and the public methods and properties of the classes."""
    loaded = importlib.import_module(f"securemem.{module}")
    for name in loaded.__all__:
        value = getattr(loaded, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value
        if inspect.isclass(value):
            members = {key: one for key, one in vars(value).items() if not key.startswith("_")}
            for key, one in members.items():
                if isinstance(one, property) or inspect.isroutine(one) or inspect.isgetsetdescriptor(one):
                    yield f"{name}.{key}", one


@pytest.mark.parametrize("module", sorted(MODULES - AWAY - {"version", "locking.specification"}))
def test_help_can_be_read_alone(module):
    """Each public thing has a docstring that leans on no other, and points to no file that an installation lacks."""
    leans = re.compile(r"\A(The same|As above|Likewise)|docs/|README|SECURITY\.md")
    assert not leans.search(importlib.import_module(f"securemem.{module}").__doc__)
    for name, value in documented(module):
        text = inspect.getdoc(value)
        assert text, name
        assert not leans.search(text), f"{name}: {text}"


def test_help_tells_of_operators():
    """What == and slices of a secret do is in help(), in place of Python's own words."""
    for name, says in (
        ("__eq__", "length"),
        ("__ne__", "length"),
        ("__getitem__", "slice"),
        ("__format__", "never the bytes"),
    ):
        assert says in inspect.getdoc(getattr(securemem.SecureBytes, name))
