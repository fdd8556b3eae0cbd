"""Operations of cryptography on secrets, of which `securemem doctor --deep` looks for copies: all but private keys.

Each case is a function from a view of a secret to what it keeps alive. They use cryptography as its users do, and leave
what it leaves: nothing else imports them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, hmac, keywrap, poly1305
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf import argon2, concatkdf, hkdf, kbkdf, pbkdf2, scrypt, x963kdf

from securemem import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CASES", "DATA", "SHA", "case", "derived", "tell", "tell_by"]

CASES: dict[str, Callable[[memoryview], object]] = {}
_descriptors = [-1]
SHA = hashes.SHA256()
_NONCE = bytes(range(12))
DATA = bytes(1000)


def case(name: str) -> Callable[[Any], Any]:
    """Enter a function from the secret's view to what is kept alive."""

    def enter(function: Any) -> Any:
        CASES[name] = function
        return function

    return enter


def tell(secret: Any) -> object:
    """Tell a secret that was made at random: from a bytes object straight to the pipe."""
    os.write(_descriptors[0], len(secret).to_bytes(4, "big"))
    os.write(_descriptors[0], secret)
    return secret


def tell_by(descriptor: int) -> None:
    """Where tell() writes to."""
    _descriptors[0] = descriptor


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
        cipher, out = kind(view), bytearray(len(DATA) + 16)
        cipher.encrypt_into(_NONCE, DATA, None, out)
        return cipher

    @case(f"{name} encrypt, key")
    def encrypt(view: memoryview) -> object:
        cipher = kind(view)
        return cipher, cipher.encrypt(_NONCE, DATA, b"aad")

    @case(f"{name} decrypt, key")
    def decrypt(view: memoryview) -> object:
        cipher = kind(view)
        return cipher, cipher.decrypt(_NONCE, cipher.encrypt(_NONCE, DATA, None), None)

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
    return cipher, cipher.decrypt(cipher.encrypt(DATA, [b"aad"]), [b"aad"])


@case("AES-256-SIV decrypt, plaintext")
def _siv_plain(view: memoryview) -> object:
    cipher = aead.AESSIV(bytes(range(64)))
    return cipher, cipher.decrypt(cipher.encrypt(view, None), None)


# -- cipher modes, hashes, codes --

_MODES: Any = {
    "AES-256-CTR": lambda key: Cipher(algorithms.AES(key), modes.CTR(bytes(16))),
    "AES-256-CBC": lambda key: Cipher(algorithms.AES(key), modes.CBC(bytes(16))),
    "AES-256-ECB": lambda key: Cipher(algorithms.AES(key), modes.ECB()),  # noqa: S305 - it is looked into, not used
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
    code = hmac.HMAC(view, SHA)
    code.update(DATA)
    return code, code.copy().finalize()


@case("HMAC-SHA-512, key")
def _hmac512(view: memoryview) -> object:
    code = hmac.HMAC(view, hashes.SHA512())
    code.update(DATA)
    return code, code.copy().finalize()


@case("CMAC, key")
def _cmac(view: memoryview) -> object:
    code = CMAC(algorithms.AES(view))
    code.update(DATA)
    return code, code.copy().finalize()


@case("Poly1305, key")
def _poly(view: memoryview) -> object:
    code = poly1305.Poly1305(view)
    code.update(DATA)
    return code, poly1305.Poly1305.generate_tag(view, DATA)


@case("SHA-256, message")
def _hash(view: memoryview) -> object:
    digest = hashes.Hash(SHA)
    digest.update(view)
    return digest, digest.copy().finalize()


# -- key derivation: of the material, and of the result --

_KDFS: Any = {
    "HKDF": lambda: hkdf.HKDF(SHA, 32, b"salt", b"info"),
    "HKDFExpand": lambda: hkdf.HKDFExpand(SHA, 32, b"info"),
    "PBKDF2": lambda: pbkdf2.PBKDF2HMAC(SHA, 32, b"salt", 1000),
    "Scrypt": lambda: scrypt.Scrypt(b"salt", 32, 1024, 8, 1),
    "Argon2id": lambda: argon2.Argon2id(salt=bytes(16), length=32, iterations=1, lanes=1, memory_cost=64),
    "ConcatKDFHash": lambda: concatkdf.ConcatKDFHash(SHA, 32, b"info"),
    "ConcatKDFHMAC": lambda: concatkdf.ConcatKDFHMAC(SHA, 32, b"salt", b"info"),
    "X963KDF": lambda: x963kdf.X963KDF(SHA, 32, b"info"),
    "KBKDFHMAC": lambda: kbkdf.KBKDFHMAC(
        SHA, kbkdf.Mode.CounterMode, 32, 4, 4, kbkdf.CounterLocation.BeforeFixed, b"label", b"context", None
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
