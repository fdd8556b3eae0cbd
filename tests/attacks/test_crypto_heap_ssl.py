"""The private key of a TLS server in Python's ssl: where load_cert_chain leaves it, with the heap and without."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from securemem.scanning import scan_process
from tests.support import programs
from tests.support.residue import needles_of

CHILD = """
import os, ssl, sys
from securemem import crypto_heap
from securemem._binding.memory import scrub
if sys.argv[1] == "heap": crypto_heap.enable(objects=("ssl",), scrub="sections")
def load():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    return context
kept = load()
scrub(65536)
print("loaded", flush=True); sys.stdin.readline()
del kept
scrub(65536)
print("gone", flush=True); sys.stdin.readline()
if sys.argv[1] == "heap": assert crypto_heap.status().objects == ("ssl",) and not crypto_heap.status().failures
"""


def made_certificate(folder, key):
    """Write a key and its certificate; their paths, and the secret parts of the key, its PEM text among them."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start.replace(year=2049))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(pem)
    numbers = key.private_numbers()
    secret = [numbers.p, numbers.q, numbers.d] if isinstance(key, rsa.RSAPrivateKey) else [numbers.private_value]
    texts = [
        line for line in pem.splitlines()[2:-2] if len(set(line)) > 20
    ]  # the first lines tell of the algorithm only
    return [one.to_bytes((one.bit_length() + 7) // 8, "big") for one in secret] + texts


def places(process, needles):
    """What is found outside locked memory."""
    return [place for place in scan_process(process.pid, needles).where if not place.locked]


@pytest.fixture(params=["RSA", "EC"])
def secrets(request, tmp_path):
    """A key and certificate in tmp_path, and what of them is secret."""
    key = rsa.generate_private_key(65537, 2048) if request.param == "RSA" else ec.generate_private_key(ec.SECP256R1())
    return made_certificate(tmp_path, key)


@pytest.mark.parametrize("mode", ["heap", "off"])
def test_key_of_a_tls_server(tmp_path, secrets, mode):
    """With objects=("ssl",) no copy lies outside locked memory, alive or gone; without the heap the scan finds some."""
    needles = needles_of(secrets)
    command = [sys.executable, "-c", CHILD, mode, str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=programs.environment()) as process:
        assert process.stdout.readline() == "loaded\n"
        alive = places(process, needles)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "gone\n"
        gone = places(process, needles)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(60) == 0
    if mode == "heap":
        assert (alive, gone) == ([], [])
    else:
        assert alive
