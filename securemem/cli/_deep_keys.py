"""Operations of cryptography on private keys, of which `securemem doctor --deep` looks for copies."""

from __future__ import annotations

import contextlib
import os
from base64 import urlsafe_b64encode
from typing import Any

from cryptography import x509  # noqa: F401 - as programs have it
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, x448, x25519

from securemem.cli._deep_cases import CASES, DATA, SHA, case, derived, tell

__all__ = ["CASES", "make_input"]

Encoding, Format = serialization.Encoding, serialization.PrivateFormat
PLAIN = serialization.NoEncryption()
_EXCHANGE: Any = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "X25519": x25519.X25519PrivateKey.generate(),
    "X448": x448.X448PrivateKey.generate(),
}


# -- keys in bytes: signatures and agreement --


@case("Ed25519 sign, key")
def _ed25519(view: memoryview) -> object:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(view)
    return key, key.sign(DATA), key.public_key()


@case("Ed25519 private_bytes_raw, key")
def _ed25519_raw(view: memoryview) -> object:
    return ed25519.Ed25519PrivateKey.from_private_bytes(view).private_bytes_raw()


@case("Ed25519 to PEM, DER and OpenSSH, key")
def _ed25519_save(view: memoryview) -> object:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(view)
    forms = ((Encoding.PEM, Format.PKCS8), (Encoding.DER, Format.PKCS8), (Encoding.PEM, Format.OpenSSH))
    return key, [key.private_bytes(encoding, form, PLAIN) for encoding, form in forms]


@case("Ed448 sign, key")
def _ed448(view: memoryview) -> object:
    key = ed448.Ed448PrivateKey.from_private_bytes(view)
    return key, key.sign(DATA)


@case("X25519 exchange, key")
def _x25519(view: memoryview) -> object:
    key = x25519.X25519PrivateKey.from_private_bytes(view)
    return key, key.exchange(_EXCHANGE["X25519"].public_key())


@case("X25519 exchange, shared secret")
def _x25519_shared(_view: memoryview) -> object:
    return tell(x25519.X25519PrivateKey.generate().exchange(_EXCHANGE["X25519"].public_key()))


@case("X448 exchange, key")
def _x448(view: memoryview) -> object:
    key = x448.X448PrivateKey.from_private_bytes(view)
    return key, key.exchange(_EXCHANGE["X448"].public_key())


@case("X448 exchange, shared secret")
def _x448_shared(_view: memoryview) -> object:
    return tell(x448.X448PrivateKey.generate().exchange(_EXCHANGE["X448"].public_key()))


@case("X25519 generate and private_bytes_raw")
def _x25519_made(_view: memoryview) -> object:
    key = x25519.X25519PrivateKey.generate()
    return key, tell(key.private_bytes_raw())


@case("Fernet encrypt and decrypt, key")
def _fernet(view: memoryview) -> object:
    box = Fernet(bytes(view))
    return box, box.decrypt(box.encrypt(DATA))


@case("Fernet decrypt, plaintext")
def _fernet_plain(view: memoryview) -> object:
    box = Fernet(Fernet.generate_key())
    return box, box.decrypt(box.encrypt(bytes(view)))


# -- keys as files: loaded, used, saved --


@case("RSA load DER, sign PSS")
def _rsa_pss(view: memoryview) -> object:
    key: Any = serialization.load_der_private_key(view, None)
    return key, key.sign(DATA, padding.PSS(padding.MGF1(SHA), 32), SHA)


@case("RSA load PEM, sign PKCS1v15")
def _rsa_pem(view: memoryview) -> object:
    key: Any = serialization.load_pem_private_key(view, None)
    return key, key.sign(DATA, padding.PKCS1v15(), SHA)


@case("RSA load PEM, decrypt OAEP")
def _rsa_oaep(view: memoryview) -> object:
    key: Any = serialization.load_pem_private_key(view, None)
    pad = padding.OAEP(padding.MGF1(SHA), SHA, None)
    return key, key.decrypt(key.public_key().encrypt(b"message", pad), pad)


@case("RSA decrypt OAEP, plaintext")
def _rsa_oaep_plain(view: memoryview) -> object:
    key = rsa.generate_private_key(65537, 2048)
    pad = padding.OAEP(padding.MGF1(SHA), SHA, None)
    return key, key.decrypt(key.public_key().encrypt(bytes(view), pad), pad)


@case("RSA load OpenSSH")
def _rsa_ssh(view: memoryview) -> object:
    return serialization.load_ssh_private_key(view, None)


@case("RSA load DER, to PEM, DER and OpenSSH")
def _rsa_save(view: memoryview) -> object:
    key: Any = serialization.load_der_private_key(view, None)
    forms = ((Encoding.PEM, Format.TraditionalOpenSSL), (Encoding.DER, Format.PKCS8), (Encoding.PEM, Format.OpenSSH))
    return key, [key.private_bytes(encoding, form, PLAIN) for encoding, form in forms]


@case("RSA load DER, to encrypted PEM and back")
def _rsa_encrypted(view: memoryview) -> object:
    key: Any = serialization.load_der_private_key(view, None)
    pem = key.private_bytes(Encoding.PEM, Format.PKCS8, serialization.BestAvailableEncryption(b"password"))
    return key, serialization.load_pem_private_key(pem, b"password")


@case("RSA private_numbers")
def _rsa_numbers(view: memoryview) -> object:
    key: Any = serialization.load_der_private_key(view, None)
    return key, key.private_numbers()


for _curve in ("P-256", "P-384"):

    @case(f"{_curve} load PEM, sign ECDSA")
    def _ecdsa(view: memoryview) -> object:
        key: Any = serialization.load_pem_private_key(view, None)
        return key, key.sign(DATA, ec.ECDSA(SHA))

    @case(f"{_curve} load DER, exchange")
    def _ecdh(view: memoryview, curve: str = _curve) -> object:
        key: Any = serialization.load_der_private_key(view, None)
        return key, key.exchange(ec.ECDH(), _EXCHANGE[curve].public_key())

    @case(f"{_curve} exchange, shared secret")
    def _ecdh_shared(_view: memoryview, curve: str = _curve) -> object:
        private = ec.generate_private_key(_EXCHANGE[curve].curve)
        return private, tell(private.exchange(ec.ECDH(), _EXCHANGE[curve].public_key()))

    @case(f"{_curve} load OpenSSH")
    def _ec_ssh(view: memoryview) -> object:
        return serialization.load_ssh_private_key(view, None)

    @case(f"{_curve} load DER, to PEM, DER and OpenSSH")
    def _ec_save(view: memoryview) -> object:
        key: Any = serialization.load_der_private_key(view, None)
        forms = ((Encoding.PEM, Format.PKCS8), (Encoding.DER, Format.PKCS8), (Encoding.PEM, Format.OpenSSH))
        return key, [key.private_bytes(encoding, form, PLAIN) for encoding, form in forms]

    @case(f"{_curve} private_numbers")
    def _ec_numbers(view: memoryview) -> object:
        key: Any = serialization.load_der_private_key(view, None)
        return key, key.private_numbers()


@case("P-256 derive_private_key")
def _ec_derive(view: memoryview) -> object:
    key = ec.derive_private_key(int.from_bytes(view, "big"), ec.SECP256R1())
    return key, key.sign(DATA, ec.ECDSA(SHA))


# -- post-quantum --

# Older releases have neither the modules nor, where they have them, the OpenSSL for it.
with contextlib.suppress(ImportError, UnsupportedAlgorithm):
    from cryptography.hazmat.primitives.asymmetric import mlkem

    mlkem.MLKEM768PrivateKey.generate()

    @case("ML-KEM-768 from seed, decapsulate, seed")
    def _mlkem(view: memoryview) -> object:
        key = mlkem.MLKEM768PrivateKey.from_seed_bytes(view)
        _, ciphertext = key.public_key().encapsulate()
        return key, key.decapsulate(ciphertext)

    @case("ML-KEM-768 decapsulate, shared secret")
    def _mlkem_shared(_view: memoryview) -> object:
        key = mlkem.MLKEM768PrivateKey.generate()
        shared, ciphertext = key.public_key().encapsulate()
        return key, shared, tell(key.decapsulate(ciphertext))

    @case("ML-KEM-768 private_bytes_raw, seed")
    def _mlkem_raw(view: memoryview) -> object:
        return mlkem.MLKEM768PrivateKey.from_seed_bytes(view).private_bytes_raw()


with contextlib.suppress(ImportError, UnsupportedAlgorithm):
    from cryptography.hazmat.primitives.asymmetric import mldsa

    mldsa.MLDSA65PrivateKey.generate()

    @case("ML-DSA-65 from seed, sign, seed")
    def _mldsa(view: memoryview) -> object:
        key = mldsa.MLDSA65PrivateKey.from_seed_bytes(view)
        return key, key.sign(DATA)

    @case("ML-DSA-65 private_bytes_raw, seed")
    def _mldsa_raw(view: memoryview) -> object:
        return mldsa.MLDSA65PrivateKey.from_seed_bytes(view).private_bytes_raw()


# -- what the cases are given --

_SIZES = {"AES-128-GCM": 16, "AES-256-SIV encrypt": 64, "Ed448": 57, "X448": 56, "ML-KEM-768": 64, "AES-256-SIV": 48}


def _saved(name: str, key: Any) -> bytes:
    if "load OpenSSH" in name:
        return bytes(key.private_bytes(Encoding.PEM, Format.OpenSSH, PLAIN))
    form = Encoding.PEM if "load PEM" in name else Encoding.DER
    return bytes(key.private_bytes(form, Format.PKCS8, PLAIN))


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def make_input(name: str) -> tuple[bytes, tuple[bytes, ...]]:
    """What a case is given, and what of it, or made from it, must not be found; nothing where the case tells it."""
    if name.startswith("RSA") and "plaintext" not in name:
        rsa_key = rsa.generate_private_key(65537, 2048)
        numbers = rsa_key.private_numbers()
        return _saved(name, rsa_key), (_number(numbers.p), _number(numbers.q), _number(numbers.d))
    if (name.startswith("P-") and "load" in name) or "private_numbers" in name:
        key = ec.generate_private_key(ec.SECP256R1() if name.startswith("P-256") else ec.SECP384R1())
        return _saved(name, key), (_number(key.private_numbers().private_value),)
    size = next((size for start, size in _SIZES.items() if name.startswith(start)), 32)
    secret = os.urandom(size)
    if name == "P-256 derive_private_key":
        secret = b"\x7f" + secret[1:]
    if name == "Fernet encrypt and decrypt, key":
        return urlsafe_b64encode(secret), (secret[:16], secret[16:])
    if "result" in name:
        return secret, (derived(name, secret),)
    tells = "shared secret" in name or "generate" in name
    return secret, () if tells else (secret,)
