"""Uses cryptography under the eyes of the scanner; run as a module by the tests of the crypto heap's residue.

    python -m tests.support.residue_child MODE TELL SAY GO_ON HEAR

MODE: "off", "heap" (no scrub of its own), "calls", "section". For each case it reads from HEAR a line "NAME SIZE" and
SIZE bytes into a SecureBytes, does the case, says a word and stands still while its objects live, drops them, says
another word and stands still again. It scrubs before each look, but for the mode "calls". What cases make at random
they tell by TELL: a 4-byte length, then the bytes.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from cryptography import x509  # noqa: F401 - as programs have it
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes, hmac, keywrap, poly1305, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, x448, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf import argon2, concatkdf, hkdf, kbkdf, pbkdf2, scrypt, x963kdf

from securemem import SecureBytes, crypto_heap
from securemem._binding.memory import scrub

if TYPE_CHECKING:
    from collections.abc import Callable

CASES: dict[str, Callable[[memoryview], object]] = {}
_tell = [-1]
_SHA = hashes.SHA256()
_NONCE = bytes(range(12))
_DATA = bytes(1000)
Encoding, Format = serialization.Encoding, serialization.PrivateFormat
PLAIN = serialization.NoEncryption()
_EXCHANGE: Any = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "X25519": x25519.X25519PrivateKey.generate(),
    "X448": x448.X448PrivateKey.generate(),
}


def case(name: str) -> Callable[[Any], Any]:
    """Enter a function from the secret's view to what is kept alive."""

    def enter(function: Any) -> Any:
        CASES[name] = function
        return function

    return enter


def tell(secret: Any) -> object:
    """Tell a secret that was made at random: from a bytes object straight to the pipe."""
    os.write(_tell[0], len(secret).to_bytes(4, "big"))
    os.write(_tell[0], secret)
    return secret


# -- AEADs --

_AEADS: Any = {
    "AES-128-GCM": aead.AESGCM,
    "AES-256-GCM": aead.AESGCM,
    "AES-256-GCM-SIV": getattr(aead, "AESGCMSIV", None),
    "AES-256-OCB3": aead.AESOCB3,
    "AES-256-CCM": aead.AESCCM,
    "ChaCha20-Poly1305": aead.ChaCha20Poly1305,
}


def _aead(name: str, kind: Any) -> None:
    @case(f"{name} encrypt_into, key")
    def encrypt_into(view: memoryview) -> object:
        cipher, out = kind(view), bytearray(len(_DATA) + 16)
        cipher.encrypt_into(_NONCE, _DATA, None, out)
        return cipher

    @case(f"{name} encrypt, key")
    def encrypt(view: memoryview) -> object:
        cipher = kind(view)
        return cipher, cipher.encrypt(_NONCE, _DATA, b"aad")

    @case(f"{name} decrypt, key")
    def decrypt(view: memoryview) -> object:
        cipher = kind(view)
        return cipher, cipher.decrypt(_NONCE, cipher.encrypt(_NONCE, _DATA, None), None)

    @case(f"{name} decrypt, plaintext")
    def plaintext(view: memoryview) -> object:
        cipher = kind(bytes(range(16 if "128" in name else 32)))
        return cipher, cipher.decrypt(_NONCE, cipher.encrypt(_NONCE, view, None), None)

    @case(f"{name} generate_key")
    def generate(_view: memoryview) -> object:
        key = kind.generate_key() if kind is aead.ChaCha20Poly1305 else kind.generate_key(128 if "128" in name else 256)
        return tell(key)


for _name, _kind in _AEADS.items():
    if _kind is not None:
        _aead(_name, _kind)


@case("AES-256-SIV encrypt, key")
def _siv(view: memoryview) -> object:
    cipher = aead.AESSIV(view)
    return cipher, cipher.decrypt(cipher.encrypt(_DATA, [b"aad"]), [b"aad"])


@case("AES-256-SIV decrypt, plaintext")
def _siv_plain(view: memoryview) -> object:
    cipher = aead.AESSIV(bytes(range(64)))
    return cipher, cipher.decrypt(cipher.encrypt(view, None), None)


# -- cipher modes, hashes, codes --

_MODES: Any = {
    "AES-256-CTR": lambda key: Cipher(algorithms.AES(key), modes.CTR(bytes(16))),
    "AES-256-CBC": lambda key: Cipher(algorithms.AES(key), modes.CBC(bytes(16))),
    "AES-256-ECB": lambda key: Cipher(algorithms.AES(key), modes.ECB()),
    "AES-256-GCM as a mode": lambda key: Cipher(algorithms.AES(key), modes.GCM(_NONCE)),
    "AES-128-XTS": lambda key: Cipher(algorithms.AES(key), modes.XTS(bytes(16))),
    "ChaCha20": lambda key: Cipher(algorithms.ChaCha20(key, bytes(16)), None),
}


def _mode(name: str, make: Any) -> None:
    @case(f"{name} encryptor, key")
    def encryptor(view: memoryview) -> object:
        worker = make(view).encryptor()
        return worker, worker.update(bytes(64)), worker.update_into(bytes(64), bytearray(96))

    @case(f"{name} decryptor, plaintext")
    def decryptor(view: memoryview) -> object:
        cipher = make(bytes(range(32)))
        forward, back = cipher.encryptor(), cipher.decryptor()
        return forward, back, back.update(forward.update(view))


for _name, _kind in _MODES.items():
    _mode(_name, _kind)


@case("HMAC-SHA-256, key")
def _hmac(view: memoryview) -> object:
    code = hmac.HMAC(view, _SHA)
    code.update(_DATA)
    return code, code.copy().finalize()


@case("HMAC-SHA-512, key")
def _hmac512(view: memoryview) -> object:
    code = hmac.HMAC(view, hashes.SHA512())
    code.update(_DATA)
    return code, code.copy().finalize()


@case("CMAC, key")
def _cmac(view: memoryview) -> object:
    code = CMAC(algorithms.AES(view))
    code.update(_DATA)
    return code, code.copy().finalize()


@case("Poly1305, key")
def _poly(view: memoryview) -> object:
    code = poly1305.Poly1305(view)
    code.update(_DATA)
    return code, poly1305.Poly1305.generate_tag(view, _DATA)


@case("SHA-256, message")
def _hash(view: memoryview) -> object:
    digest = hashes.Hash(_SHA)
    digest.update(view)
    return digest, digest.copy().finalize()


# -- key derivation: of the material, and of the result --

_KDFS: Any = {
    "HKDF": lambda: hkdf.HKDF(_SHA, 32, b"salt", b"info"),
    "HKDFExpand": lambda: hkdf.HKDFExpand(_SHA, 32, b"info"),
    "PBKDF2": lambda: pbkdf2.PBKDF2HMAC(_SHA, 32, b"salt", 1000),
    "Scrypt": lambda: scrypt.Scrypt(b"salt", 32, 1024, 8, 1),
    "Argon2id": lambda: argon2.Argon2id(salt=bytes(16), length=32, iterations=1, lanes=1, memory_cost=64),
    "ConcatKDFHash": lambda: concatkdf.ConcatKDFHash(_SHA, 32, b"info"),
    "ConcatKDFHMAC": lambda: concatkdf.ConcatKDFHMAC(_SHA, 32, b"salt", b"info"),
    "X963KDF": lambda: x963kdf.X963KDF(_SHA, 32, b"info"),
    "KBKDFHMAC": lambda: kbkdf.KBKDFHMAC(
        _SHA, kbkdf.Mode.CounterMode, 32, 4, 4, kbkdf.CounterLocation.BeforeFixed, b"label", b"context", None
    ),
    "KBKDFCMAC": lambda: kbkdf.KBKDFCMAC(
        algorithms.AES, kbkdf.Mode.CounterMode, 32, 4, 4, kbkdf.CounterLocation.BeforeFixed, b"label", b"context", None
    ),
}


def derived(name: str, material: bytes) -> bytes:
    """What a derivation makes; for the attacker, who knows the material."""
    result: bytes = _KDFS[name.partition(" ")[0]]().derive(material)
    return result


def _kdf(name: str, make: Any) -> None:
    @case(f"{name} derive, material")
    def material(view: memoryview) -> object:
        return make().derive(view)

    @case(f"{name} derive, result")
    def result(view: memoryview) -> object:
        return make().derive(view)

    @case(f"{name} derive_into, result")
    def into(view: memoryview) -> object:
        out = SecureBytes.zeros(32)
        with out.reveal(writable=True) as target:
            make().derive_into(view, target)
        return out


for _name, _kind in _KDFS.items():
    _kdf(_name, _kind)


# -- wrapping --


@case("AES-KW wrap, kek")
def _wrap(view: memoryview) -> object:
    return keywrap.aes_key_wrap(view, bytes(range(32)))


@case("AES-KW unwrap, kek")
def _unwrap(view: memoryview) -> object:
    return keywrap.aes_key_unwrap(view, keywrap.aes_key_wrap(view, bytes(range(32))))


@case("AES-KW unwrap, key")
def _unwrapped(view: memoryview) -> object:
    return keywrap.aes_key_unwrap(bytes(32), keywrap.aes_key_wrap(bytes(32), view))


@case("AES-KWP unwrap, key")
def _unwrapped_padded(view: memoryview) -> object:
    return keywrap.aes_key_unwrap_with_padding(bytes(32), keywrap.aes_key_wrap_with_padding(bytes(32), bytes(view)))


# -- keys in bytes: signatures and agreement --


@case("Ed25519 sign, key")
def _ed25519(view: memoryview) -> object:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(view)
    return key, key.sign(_DATA), key.public_key()


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
    return key, key.sign(_DATA)


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
    return box, box.decrypt(box.encrypt(_DATA))


@case("Fernet decrypt, plaintext")
def _fernet_plain(view: memoryview) -> object:
    box = Fernet(Fernet.generate_key())
    return box, box.decrypt(box.encrypt(bytes(view)))


# -- keys as files: loaded, used, saved --


@case("RSA load DER, sign PSS")
def _rsa_pss(view: memoryview) -> object:
    key: Any = serialization.load_der_private_key(view, None)
    return key, key.sign(_DATA, padding.PSS(padding.MGF1(_SHA), 32), _SHA)


@case("RSA load PEM, sign PKCS1v15")
def _rsa_pem(view: memoryview) -> object:
    key: Any = serialization.load_pem_private_key(view, None)
    return key, key.sign(_DATA, padding.PKCS1v15(), _SHA)


@case("RSA load PEM, decrypt OAEP")
def _rsa_oaep(view: memoryview) -> object:
    key: Any = serialization.load_pem_private_key(view, None)
    pad = padding.OAEP(padding.MGF1(_SHA), _SHA, None)
    return key, key.decrypt(key.public_key().encrypt(b"message", pad), pad)


@case("RSA decrypt OAEP, plaintext")
def _rsa_oaep_plain(view: memoryview) -> object:
    key = rsa.generate_private_key(65537, 2048)
    pad = padding.OAEP(padding.MGF1(_SHA), _SHA, None)
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
        return key, key.sign(_DATA, ec.ECDSA(_SHA))

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
    return key, key.sign(_DATA, ec.ECDSA(_SHA))


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
        return key, key.sign(_DATA)

    @case("ML-DSA-65 private_bytes_raw, seed")
    def _mldsa_raw(view: memoryview) -> object:
        return mldsa.MLDSA65PrivateKey.from_seed_bytes(view).private_bytes_raw()


# -- the child --


def _hear(descriptor: int) -> str:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(descriptor, 1)
        if not part:
            os._exit(0)
        line += part
    return line.decode().strip()


def _stand_still(word: bytes, say: int, go_on: int) -> None:
    os.write(say, word)
    if not os.read(go_on, 1):
        os._exit(9)


def main(mode: str, say: int, go_on: int, hear: int) -> None:
    """Do cases until there are no more."""
    if mode != "off":
        crypto_heap.enable(scrub="calls" if mode == "calls" else "sections", budget=4 << 20)
    clean = (lambda: 0) if mode == "calls" else (lambda: scrub(64 * 1024))
    while True:
        name, _, size = _hear(hear).rpartition(" ")
        secret = SecureBytes.zeros(int(size))
        with secret.reveal(writable=True) as target:
            assert os.readv(hear, [target]) == int(size)
        with crypto_heap.secret_section() if mode == "section" else contextlib.nullcontext():
            with secret.reveal() as view:
                kept = CASES[name](view)
            clean()
            _stand_still(b"alive\n", say, go_on)
            del kept
            clean()
            _stand_still(b"gone!\n", say, go_on)
        del secret


if __name__ == "__main__":
    _tell[0] = int(sys.argv[2])
    main(sys.argv[1], *map(int, sys.argv[3:]))
