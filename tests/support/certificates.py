"""Certificates for servers in tests, and what of their keys is secret."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

_FIRST_LINES = 2  # tell of the algorithm only


def made_key(kind: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    """A key of 2,048 bits (RSA), or on P-256 (EC)."""
    return rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())


def made_certificate(
    folder: Path, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
) -> tuple[list[bytes], list[bytes]]:
    """Write key.pem and certificate.pem; the secret numbers of the key, and the secret lines of its text."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start.replace(year=2049))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "certificate.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(pem)
    (folder / "key.pem").chmod(0o600)
    if isinstance(key, rsa.RSAPrivateKey):
        of_rsa = key.private_numbers()
        numbers = [of_rsa.p, of_rsa.q, of_rsa.d]
    else:
        numbers = [key.private_numbers().private_value]
    lines = [line for line in pem.splitlines()[_FIRST_LINES:-2] if len(set(line)) > 20]
    return [one.to_bytes((one.bit_length() + 7) // 8, "big") for one in numbers], lines
