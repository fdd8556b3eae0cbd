"""The how-to and explanation pages: their programs run, and their pictures are those that scripts/pictures draws."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support import ROOT
from tests.support.programs import run

PAGES = sorted(page for folder in ("how-to", "explanation") for page in Path(ROOT, "docs", folder).glob("*.md"))
PROGRAMS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
]
# What a service manager or an administrator put there before the program starts.
CREDENTIALS = {"signing-key": "00ff" * 16, "database-password": "a password", "api-token": "a token"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the files that the programs read: a certificate with its key, and credentials."""
    folder = tmp_path_factory.mktemp("place")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    certificate = certificate.serial_number(1).not_valid_before(day).not_valid_after(day + dt.timedelta(days=1))
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(pem, form, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    (folder / "key.pem").chmod(0o600)
    (folder / "certificate.pem").write_bytes(certificate.sign(key, hashes.SHA256()).public_bytes(pem))
    for credential, text in CREDENTIALS.items():
        (folder / credential).write_text(text + "\n")
    return folder


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_run(place, program):
    """Each ends well, with warnings as errors, and says nothing on stderr; what it prompts for is on standard input."""
    if "nacl" in program:
        pytest.importorskip("nacl", reason="PyNaCl is not installed: install the extra `test`")
    with subprocess.Popen(["printf", "a password\n"], stdout=subprocess.PIPE) as typed:
        run(
            program,
            environment={"CREDENTIALS_DIRECTORY": str(place)},
            cwd=place,
            stdin=typed.stdout,
            start_new_session=True,  # no terminal of the tests' to prompt at
        )


def test_a_program_that_fails_is_found(tmp_path):
    """Positive control: without its credentials a program of the pages does not end well."""
    failing = next(one.values[0] for one in PROGRAMS if "read_credential" in str(one.values[0]))
    with pytest.raises(AssertionError, match="MissingSecretError"):
        run(failing, cwd=tmp_path, environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_pictures_are_those_of_the_script(tmp_path):
    """The pictures of the site are what scripts/pictures draws; one that was changed by hand would differ."""
    subprocess.run([sys.executable, ROOT / "scripts" / "pictures", tmp_path], check=True)
    drawn = {path.name: path.read_text() for path in tmp_path.glob("*.svg")}
    assert len(drawn) >= 3
    kept = {name: Path(ROOT, "docs", "_static", name).read_text() for name in drawn}
    assert drawn == kept
