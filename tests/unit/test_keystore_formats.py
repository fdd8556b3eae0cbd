"""What earlier versions wrote is read, and is byte by byte what docs/reference/box-format.md says.

tests/vectors/keystore.json and keystore_stream.bin were made once, by version 0.1.0, and are not made anew.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from securemem import DecryptionError, KeyStore, Passphrase, Policy, SecureBytes, crypto_heap
from securemem.crypto import hazmat
from securemem.keystore.cleartext import export

VECTORS = Path(__file__).parents[1] / "vectors"
FIXTURES = json.loads((VECTORS / "keystore.json").read_text())
NUMBERS = {
    "KC-XAES-256-GCM": 1,
    "XAES-256-GCM": 2,
    "AES-256-GCM": 3,
    "AES-128-GCM": 4,
    "AES-256-GCM-SIV": 5,
    "ChaCha20-Poly1305": 6,
    "HMAC-SHA-256": 16,
    "HMAC-SHA-384": 17,
    "HMAC-SHA-512": 18,
    "Ed25519": 32,
    "X25519": 48,
    "HKDF-SHA-256": 64,
    "AES-256-SIV": 7,
    "Ed448": 33,
    "ECDSA-P-256": 34,
    "ECDSA-P-384": 35,
    "RSA-PSS": 36,
    "ML-DSA-44": 37,
    "ML-DSA-65": 38,
    "ML-DSA-87": 39,
    "X448": 49,
    "ECDH-P-256": 50,
    "ECDH-P-384": 51,
}


def fixtures(kind):
    """Every fixture of a kind, keys and texts as bytes."""
    return [
        {name: value if name == "algorithm" else bytes.fromhex(value) for name, value in one.items()}
        for one in FIXTURES[kind]
    ]


@pytest.fixture
def store():
    """A store without a lock."""
    return KeyStore()


@pytest.mark.parametrize("one", fixtures("boxes"))
def test_boxes(store, one):
    """Each algorithm's box opens, and is header, nonce and ciphertext with header and context as associated data."""
    algorithm, box = one["algorithm"], one["box"]
    key = store.import_key("key", algorithm, bytearray(one["key"]), key_id=one["key_id"])
    out = bytearray(len(one["plaintext"]))
    key.decrypt_into(box, out, one["context"])
    assert out == one["plaintext"]
    assert box[:24] == b"smb\x01" + bytes([NUMBERS[algorithm], 1, 0, 0]) + one["key_id"]
    end = 48 if "XAES" in algorithm else 36
    out = bytearray(len(one["plaintext"]))
    secret = SecureBytes.copy_of(one["key"])
    hazmat.decrypt_into(algorithm, secret, box[24:end], box[end:], out, box[:24] + one["context"])
    assert out == one["plaintext"]


def open_by_the_description(one, stream):
    """A stream by cryptography alone, as docs/reference/box-format.md tells to read it."""
    head, salt, commitment, rest = stream[:24], stream[24:56], stream[56:88], stream[88:]
    info = b"securemem stream 1" + head + one["context"]
    both = HKDF(SHA256(), 64, salt, info).derive(one["key"])
    assert hmac.compare_digest(both[32:], commitment)
    cipher = (ChaCha20Poly1305 if one["algorithm"] == "ChaCha20-Poly1305" else AESGCM)(both[:32])
    chunks = [rest[at : at + 65536 + 16] for at in range(0, len(rest), 65536 + 16)]
    last = len(chunks) - 1
    return b"".join(
        cipher.decrypt(number.to_bytes(11, "big") + bytes([number == last]), chunk, b"")
        for number, chunk in enumerate(chunks)
    )


@pytest.mark.parametrize("one", fixtures("streams"))
def test_streams(store, one):
    """Each opens, also by its description."""
    key = store.import_key("key", one["algorithm"], bytearray(one["key"]), key_id=one["key_id"])
    out = io.BytesIO()
    key.decrypt_stream(io.BytesIO(one["stream"]), out, one["context"])
    assert out.getvalue() == one["plaintext"] == open_by_the_description(one, one["stream"])
    assert one["stream"][:24] == b"smb\x01" + bytes([NUMBERS[one["algorithm"]], 2, 0, 0]) + one["key_id"]


def test_a_stream_of_three_chunks(store):
    """A file of 131,172 bytes of plaintext, by its hash."""
    stream = (VECTORS / "keystore_stream.bin").read_bytes()
    plain = bytes(number * 7 % 251 for number in range(2 * 65536 + 100))
    key = store.import_key("key", "KC-XAES-256-GCM", bytearray(range(32)), key_id=b"\xa0" * 16)
    out = io.BytesIO()
    key.decrypt_stream(io.BytesIO(stream), out, b"long")
    assert hashlib.sha256(out.getvalue()).digest() == hashlib.sha256(plain).digest()
    one = {"algorithm": "KC-XAES-256-GCM", "key": bytes(range(32)), "context": b"long"}
    assert open_by_the_description(one, stream) == plain


@pytest.mark.parametrize("one", fixtures("wrapped_keys"))
def test_wrapped_keys(store, one):
    """Header, algorithm and key id in clear, then nonce and ciphertext."""
    wrapping = store.import_key(
        "wrapping",
        "KC-XAES-256-GCM",
        bytearray(one["wrapping_key"]),
        Policy(usages={"wrap", "unwrap"}),
        key_id=one["wrapping_key_id"],
    )
    wrapped = one["wrapped"]
    key = store.unwrap("key", wrapped, Policy(extractable=True), source=wrapping, context=one["context"])
    assert export(key) == one["key"]
    assert (key.algorithm, key.versions[0].key_id) == (one["algorithm"], one["key_id"])
    assert wrapped[:24] == b"smb\x01" + bytes([1, 3, 0, 0]) + one["wrapping_key_id"]
    assert wrapped[24:41] == bytes([NUMBERS[one["algorithm"]]]) + one["key_id"]
    secret, aad = SecureBytes.copy_of(one["wrapping_key"]), wrapped[:41] + one["context"]
    assert hazmat.decrypt("KC-XAES-256-GCM", secret, wrapped[41:65], wrapped[65:], aad) == one["key"]


@pytest.mark.parametrize("one", fixtures("passphrases"))
def test_passphrases(one):
    """What a Passphrase wrapped, with its cost and salt in clear."""
    passphrase = Passphrase(SecureBytes.copy_of(one["passphrase"]))
    assert passphrase.unwrap(one["wrapped"], one["context"]) == one["key"]
    assert one["wrapped"][:12] == b"smp\x01" + (64).to_bytes(4, "big") + (2).to_bytes(4, "big")
    with pytest.raises(DecryptionError):
        Passphrase(SecureBytes.copy_of(b"other")).unwrap(one["wrapped"], one["context"])


@pytest.mark.parametrize("one", fixtures("derived"))
def test_derived_keys(store, one):
    """HKDF of the source gives key id and key, for the algorithm and the context."""
    source = store.import_key("source", "HKDF-SHA-256", bytearray(one["source"]))
    key = store.derive("key", one["algorithm"], Policy(extractable=True), source=source, context=one["context"])
    assert export(key) == one["key"]
    assert key.versions[0].key_id == one["key_id"]
    info = b"securemem derive 1" + bytes([NUMBERS[one["algorithm"]]]) + one["context"]
    both = HKDF(SHA256(), 16 + len(one["key"]), None, info).derive(one["source"])
    assert both == one["key_id"] + one["key"]


@pytest.mark.parametrize("one", fixtures("agreed"))
def test_agreed_keys(store, one):
    """X25519, then HKDF bound to both public keys and the context."""
    key = store.import_key("key", "X25519", bytearray(one["private_key"]))
    assert key.agree(one["peer"], one["context"]) == one["key"]


def test_every_algorithm_has_the_number_that_is_documented(store):
    """And the document has each of them."""
    crypto_heap.enable(lock="warn")  # some need it, and another test may have turned it off
    text = (Path(__file__).parents[2] / "docs" / "reference" / "box-format.md").read_text()
    for algorithm, number in NUMBERS.items():
        key = store.generate(algorithm, algorithm)
        assert key._key.algorithm.number == number
        assert f"| {number} | {algorithm} |" in text
