"""What cryptography leaves outside locked memory with the crypto heap, one operation after the other, by a scan.

Each case is looked at while its objects live and when they are gone. In a section everything is clean. Without one,
what cryptography does in Python itself is not: those cases are named here, with the reason. With SECUREMEM_WHOLE=1 in
the environment all cases are run in every mode.
"""

from __future__ import annotations

import os

import pytest

from securemem.cli._deep import NAMES, Child, run

# Written in Python: their values are Python's objects, which the heap serves in a section only.
IN_PYTHON = {name for name in NAMES if "OpenSSH" in name or name.startswith("Fernet")}
# The caller itself makes a Python object of the secret.
BY_CALLER = {"P-256 derive_private_key", "RSA decrypt OAEP, plaintext", "AES-KWP unwrap, key"}
# A scan takes most of a second: beside the whole in a section, every third case and all that is known to leave traces.
WHOLE = "SECUREMEM_WHOLE" in os.environ
PART = NAMES if WHOLE else [name for at, name in enumerate(NAMES) if at % 3 == 0 or name in IN_PYTHON | BY_CALLER]
# Nothing clears the stack after the last free() of a call, but the next call.
LEAST_CLEAN_OF_CALLS = 0.98
CONTROLS = (
    "AES-256-GCM encrypt, key",
    "AES-256-GCM decrypt, plaintext",
    "AES-256-CTR encryptor, key",
    "HKDF derive, result",
    "AES-KW unwrap, key",
    "Ed25519 sign, key",
    "X25519 exchange, shared secret",
    "RSA load PEM, decrypt OAEP",
    "P-256 load DER, exchange",
    "Fernet encrypt and decrypt, key",
)


@pytest.fixture
def look():
    """Runs cases in a mode; what was found in each, by name."""
    children = []

    def look_at(mode, names):
        child = Child(mode)
        children.append(child)
        return {name: child.do(name) for name in names}

    yield look_at
    for child in children:
        child.end()


def test_everything_is_clean_in_a_section(look):
    """Alive and gone: no form of any secret lies outside locked memory."""
    found = look("section", NAMES)
    assert {name: looks for name, looks in found.items() if looks.alive or looks.gone} == {}
    assert len(found) >= 115


def test_all_but_python_code_is_clean_without_a_section(look):
    """With the stack scrubbed before each look; and what is not clean is what is known."""
    found = look("heap", PART)
    assert {name for name, looks in found.items() if looks.alive or looks.gone} <= IN_PYTHON | BY_CALLER
    assert {name for name in found if name.startswith("Fernet") and found[name].alive}


def test_calls_clear_up_after_themselves(look):
    """With scrub="calls" and no call of ours in between: dropped, nearly everything of the extension is clean."""
    names = [name for name in PART if name not in IN_PYTHON | BY_CALLER]
    found = look("calls", names)
    clean = [name for name in names if not found[name].gone]
    assert len(clean) >= LEAST_CLEAN_OF_CALLS * len(names), {name: found[name].gone for name in {*names} - {*clean}}


def test_without_the_heap_it_is_found(look):
    """Positive control: the same cases, the same scan, without the heap: each leaves copies while its objects live."""
    found = look("off", CONTROLS)
    assert [name for name in CONTROLS if not found[name].alive] == []


def test_the_doctor_prints_the_table(capsys):
    """One line an operation, the versions, and the counts; a name that there is not ends with 2."""
    assert run(["Ed25519 sign", "fernet decrypt"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("cryptography ")
    assert lines[-1].startswith("clean, of 2: without 0, ")
    assert lines[-1].endswith(" section 2")
    assert [line.split()[-6:] for line in lines if line.startswith("Ed25519 sign")] == [["copies", *["clean"] * 5]]
    assert run(["no such operation"]) == 2
