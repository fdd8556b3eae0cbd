"""A SecureBytes where cryptography declares a key: what mypy and pyright refuse, and the way that both take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import securemem
from securemem import SecureBytes
from tests.support.type_checks import check

RIGHT = """
import hashlib, hmac, os
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from securemem import SecureBytes
key, out = SecureBytes.random(32), SecureBytes.zeros(5)
with key.reveal() as view, out.reveal(writable=True) as target:
    box = AESGCM(view).encrypt(bytes(12), b"hello", None)
    AESGCM(view).decrypt_into(bytes(12), box, None, target)
    HMAC(view, SHA256()).update(target)
digest = hmac.digest(key, b"body", "sha256") + hashlib.sha256(key).digest()
with open("/dev/null", "wb") as file:
    os.write(file.fileno(), key)
"""
WRONG = """
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from securemem import SecureBytes
AESGCM(SecureBytes.random(32))
SecureBytes(b"bytes")
SecureBytes.random(32) + b""
"""
# Adapters whose base classes come from libraries without types.
UNTYPED = ("securemem.adapters.boto3.",)


def said(*arguments, cwd):
    """What pyright says of the installed package, as its JSON has it."""
    pytest.importorskip("pyright", reason="type checking needs the extra `lint`")
    home = Path(securemem.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(home), *filter(None, sys.path)])}
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def pyright(tmp_path, program):
    """The lines in which pyright, in its strict mode, finds errors."""
    source = Path(tmp_path, "program.py")
    source.write_text("# pyright: strict, reportMissingModuleSource=false\n" + program)
    return {found["range"]["start"]["line"] for found in said(str(source), cwd=tmp_path)["generalDiagnostics"]}


def test_reveal_is_the_way_for_mypy(tmp_path):
    """The view of reveal() is a memoryview, which cryptography declares; hashlib, hmac and os take the secret."""
    done = check(tmp_path, RIGHT)
    assert done.returncode == 0, done.stdout


def test_mypy_refuses_the_secret_itself(tmp_path):
    """Positive control: cryptography declares bytes, bytearray and memoryview only."""
    found = {line.split(":")[1] for line in check(tmp_path, WRONG).stdout.splitlines() if ": error:" in line}
    assert found == {"4", "5", "6"}


def test_pyright_agrees(tmp_path):
    """Pyright takes the one and refuses the other in the same lines."""
    assert pyright(tmp_path, RIGHT) == set()
    assert pyright(tmp_path, WRONG) == {4, 5, 6}


def test_the_way_leaves_no_window_open():
    """A cipher made of the view and dropped lets go of it: the page is shut when the with statement ends."""
    key = SecureBytes.random(32)
    with key.reveal() as view:
        box = AESGCM(view).encrypt(bytes(12), b"hello", None)
    assert key.protection.closed
    assert AESGCM(key).decrypt(bytes(12), box, None) == b"hello"
    with pytest.raises(securemem.ExportedError), key.reveal() as view:  # the control: something keeps the view
        kept = memoryview(view)
    assert not key.protection.closed
    kept.release()
    assert key.protection.closed


def test_types_are_complete(tmp_path):
    """Pyright knows the type of every public name (--verifytypes), but of what derives from untyped classes."""
    complete = said("--ignoreexternal", "--verifytypes", "securemem", cwd=tmp_path)["typeCompleteness"]
    unknown = [one["name"] for one in complete["symbols"] if one["isExported"] and not one["isTypeKnown"]]
    assert [name for name in unknown if not name.startswith(UNTYPED)] == []
    assert complete["completenessScore"] >= 0.99
    assert complete["exportedSymbolCounts"]["withKnownType"] > 500
