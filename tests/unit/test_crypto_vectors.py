"""Published vectors: each primitive gives what its specification says, and takes it back.

tests/vectors/crypto.json names the origin of each group.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from securemem import DecryptionError, SecureBytes
from securemem.crypto import agreement, argon2, hazmat, kdf, mac, signing, wrap
from securemem.exceptions import VerificationError

GROUPS = json.loads(Path(__file__).parents[1].joinpath("vectors", "crypto.json").read_text())


def vectors(kind):
    """Mark a test with every vector of a kind; keys and texts as bytes."""
    found = [
        pytest.param(
            {
                name: value if name == "algorithm" or not isinstance(value, str) else bytes.fromhex(value)
                for name, value in one.items()
            },
            id=f"{origin} {number}",
        )
        for origin, group in GROUPS.items()
        if origin.startswith(f"{kind}: ")
        for number, one in enumerate(group)
    ]
    assert found
    return pytest.mark.parametrize("vector", found)


def locked(data):
    """A secret with these bytes."""
    return SecureBytes.copy_of(data)


@vectors("aead")
def test_aead(vector):
    """Encryption gives the ciphertext, decryption the plaintext, by both ways; another tag is refused."""
    name, key, nonce, aad = vector["algorithm"], locked(vector["key"]), vector["nonce"], vector["aad"]
    plaintext, ciphertext = vector["plaintext"], vector["ciphertext"]
    assert hazmat.encrypt(name, key, nonce, plaintext, aad) == ciphertext
    out = bytearray(len(ciphertext))
    hazmat.encrypt_into(name, key, nonce, plaintext, out, aad)
    assert out == ciphertext
    opened = bytearray(len(plaintext))
    hazmat.decrypt_into(name, key, nonce, ciphertext, opened, aad)
    assert opened == plaintext
    if plaintext:
        assert hazmat.decrypt(name, key, nonce, ciphertext, aad) == plaintext
    for place in range(-1, -len(ciphertext) - 1, -1):
        spoiled = bytearray(ciphertext)
        spoiled[place] ^= 0x80
        with pytest.raises(DecryptionError):
            hazmat.decrypt_into(name, key, nonce, spoiled, opened, aad)


@vectors("hmac")
def test_hmac(vector):
    """The code is the RFC's, and it verifies; a shorter or changed one does not."""
    key, data, code = locked(vector["key"]), vector["data"], vector["code"]
    assert mac.hmac(key, data, algorithm=vector["algorithm"]) == code
    mac.verify(key, data, code, algorithm=vector["algorithm"])
    for wrong in (code[:-1], code + b"\0", b"", bytes([code[0] ^ 1]) + code[1:]):
        with pytest.raises(VerificationError):
            mac.verify(key, data, wrong, algorithm=vector["algorithm"])


@vectors("hkdf")
def test_hkdf(vector):
    """Both halves and the whole."""
    material, salt, info, result = locked(vector["key"]), vector["salt"], vector["info"], vector["result"]
    prk = kdf.hkdf_extract(material, salt=salt)
    assert prk == vector["prk"]
    assert kdf.hkdf_expand(prk, len(result), info=info) == result
    assert kdf.hkdf(material, len(result), salt=salt, info=info) == result


@vectors("pbkdf2")
def test_pbkdf2(vector):
    """PBKDF2 with HMAC-SHA-256."""
    result = vector["result"]
    made = kdf.pbkdf2(locked(vector["password"]), vector["salt"], len(result), iterations=vector["iterations"])
    assert made == result


@vectors("scrypt")
def test_scrypt(vector):
    """The RFC's vectors that need less than 1 GiB and have a password."""
    costs = {name: vector[name] for name in "nrp"}
    assert kdf.scrypt(locked(vector["password"]), vector["salt"], len(vector["result"]), **costs) == vector["result"]


@vectors("argon2id")
def test_argon2id(vector):
    """Those of one lane, without additional data."""
    cost = argon2.Cost(vector["memory_kib"], vector["passes"])
    made = argon2.argon2id(locked(vector["password"]), vector["salt"], len(vector["result"]), cost=cost)
    assert made == vector["result"]


@vectors("wrap")
def test_unwrap_and_wrap(vector):
    """What is good unwraps, and wraps to the same; what NIST says fails, fails."""
    name, kek, wrapped = vector["algorithm"], locked(vector["kek"]), vector["wrapped"]
    if vector["key"] is None:
        with pytest.raises(DecryptionError):
            wrap.unwrap(kek, wrapped, algorithm=name)
        return
    key = wrap.unwrap(kek, wrapped, algorithm=name)
    assert key == vector["key"]
    assert wrap.wrap(kek, key, algorithm=name) == wrapped


@vectors("ed25519")
def test_ed25519(vector):
    """Public key and signature are Ed25519's, and verify; another message does not."""
    private = locked(vector["private"])
    assert signing.ed25519_public_key(private) == vector["public"]
    assert signing.ed25519_sign(private, vector["message"]) == vector["signature"]
    signing.ed25519_verify(vector["public"], vector["message"], vector["signature"])
    with pytest.raises(VerificationError):
        signing.ed25519_verify(vector["public"], vector["message"] + b"\0", vector["signature"])


@vectors("x25519")
def test_x25519(vector):
    """The shared secret is the RFC's."""
    assert agreement.x25519_exchange(locked(vector["private"]), vector["peer"]) == vector["result"]
