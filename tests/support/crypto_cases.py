"""What is done with keys under the eyes of the scanner: each case sets `watched`, a secret that it used or made.

The scanner then looks for `watched` in every form. A case whose name says "fails" ends in DecryptionError.
"""

from __future__ import annotations

ALGORITHMS = {
    "KC-XAES-256-GCM": 32,
    "XAES-256-GCM": 32,
    "AES-256-GCM": 32,
    "AES-128-GCM": 16,
    "AES-256-GCM-SIV": 32,
    "ChaCha20-Poly1305": 32,
    "AES-256-SIV": 64,
}

PRELUDE = """
from securemem import DecryptionError, SealedBytes
from securemem.crypto import aead, agreement, argon2, hazmat, kdf, mac, signing, wrap

def fails(operation, *arguments, **names):
    try: operation(*arguments, **names)
    except DecryptionError: return
    raise AssertionError("it should have failed")

def spoiled(box):
    return box[:-1] + bytes([box[-1] ^ 1])

def plainly_spoiled(box, tail):
    at = len(box) - tail - 1  # in the tag, with the commitment behind it left alone
    return box[:at] + bytes([box[at] ^ 1]) + box[at + 1:]
"""

_AEAD = {
    "encrypt, key": "watched = secret; box = key.encrypt(data, b'aad')",
    "encrypt, plaintext": "watched = plain; box = key.encrypt(plain, b'aad')",
    "encrypt_into, key": "watched = secret; box = bytearray(len(data) + key.overhead); key.encrypt_into(data, box)",
    "decrypt, key": "watched = secret; opened = key.decrypt(key.encrypt(data))",
    "decrypt, plaintext": "watched = plain; opened = key.decrypt(key.encrypt(plain))",
    "decrypt_into, plaintext": (
        "watched = plain; opened = SecureBytes.zeros(48)\n"
        "key.decrypt_into(key.encrypt(plain), opened); assert opened == plain"
    ),
    "decrypt fails, key": "watched = secret; fails(key.decrypt, spoiled(key.encrypt(data)))",
    "decrypt fails, plaintext": "watched = plain; fails(key.decrypt, plainly_spoiled(key.encrypt(plain), tail))",
    "decrypt_into fails, plaintext": (
        "watched = plain; out = bytearray(48)\nfails(key.decrypt_into, plainly_spoiled(key.encrypt(plain), tail), out)"
    ),
}

CASES = {
    f"{algorithm} {name}": f"""
secret = SecureBytes.random({size}); plain = SecureBytes.random(48); data = os.urandom(1000)
key = aead.Key(secret, "{algorithm}"); tail = {32 if algorithm.startswith("KC") else 0}
{code}
"""
    for algorithm, size in ALGORITHMS.items()
    for name, code in _AEAD.items()
}
CASES |= {
    f"HMAC-{name}, key": f"watched = SecureBytes.random(32); mac.hmac(watched, b'data', algorithm='{name}')"
    for name in ("SHA-256", "SHA-384", "SHA-512")
}
CASES |= {
    "HMAC verify, key": """
watched = SecureBytes.random(32); mac.verify(watched, b'data', mac.hmac(watched, b'data'))
""",
    "HKDF, key material": "watched = SecureBytes.random(32); made = kdf.hkdf(watched, 80, salt=b'salt', info=b'info')",
    "HKDF, result": "watched = kdf.hkdf(SecureBytes.random(32), 80, salt=b'salt', info=b'info')",
    "HKDF-Extract, result": "watched = kdf.hkdf_extract(SecureBytes.random(32), salt=b'salt')",
    "HKDF-Expand, key": "watched = SecureBytes.random(32); made = kdf.hkdf_expand(watched, 80)",
    "HKDF-Expand, result": "watched = kdf.hkdf_expand(SecureBytes.random(32), 80)",
    "PBKDF2, password": "watched = SecureBytes.random(24); made = kdf.pbkdf2(watched, b's' * 16, 32, iterations=1000)",
    "PBKDF2, result": "watched = kdf.pbkdf2(SecureBytes.random(24), b's' * 16, 32, iterations=1000)",
    "scrypt, password": "watched = SecureBytes.random(24); made = kdf.scrypt(watched, b's' * 16, 32, n=1024)",
    "scrypt, result": "watched = kdf.scrypt(SecureBytes.random(24), b's' * 16, 32, n=1024)",
    "Argon2id, password": """
watched = SecureBytes.random(24); made = argon2.argon2id(watched, b's' * 16, cost=argon2.Cost(1024, 2))
""",
    "Argon2id, result": "watched = argon2.argon2id(SecureBytes.random(24), b's' * 16, cost=argon2.Cost(1024, 2))",
    "Ed25519 sign, private key": "watched = signing.ed25519_generate(); signing.ed25519_sign(watched, b'message')",
    "Ed25519 public, private key": "watched = signing.ed25519_generate(); signing.ed25519_public_key(watched)",
    "X25519 exchange, private key": """
watched = agreement.x25519_generate(); peer = agreement.x25519_public_key(agreement.x25519_generate())
made = agreement.x25519_exchange(watched, peer)
""",
    "X25519 exchange, shared secret": """
peer = agreement.x25519_public_key(agreement.x25519_generate())
watched = agreement.x25519_exchange(agreement.x25519_generate(), peer)
""",
    "X25519 public, private key": "watched = agreement.x25519_generate(); agreement.x25519_public_key(watched)",
    "SealedBytes, opened": "watched = SecureBytes.random(32); opened = SealedBytes.seal(watched).open()",
    "SealedBytes, taken and opened": """
source = fill(bytearray(32)); sealed = SealedBytes.take(source)
with sealed.open() as first: assert first != source
watched = sealed.open()
""",
}
for _name in ("AES-KW", "AES-KWP"):
    _start = f"kek = SecureBytes.random(32); key = SecureBytes.random(32); name = '{_name}'\n"
    _refused = "box = spoiled(wrap.wrap(kek, key, algorithm=name)); fails(wrap.unwrap, kek, box, algorithm=name)"
    CASES |= {
        f"{_name} wrap, kek": _start + "watched = kek; wrap.wrap(kek, key, algorithm=name)",
        f"{_name} wrap, key": _start + "watched = key; wrap.wrap(kek, key, algorithm=name)",
        f"{_name} unwrap, kek": (
            _start + "watched = kek; opened = wrap.unwrap(kek, wrap.wrap(kek, key, algorithm=name), algorithm=name)"
        ),
        f"{_name} unwrap, key": (
            _start + "watched = key; opened = wrap.unwrap(kek, wrap.wrap(kek, key, algorithm=name), algorithm=name)"
        ),
        f"{_name} unwrap fails, kek": (_start + f"watched = kek; {_refused}"),
        f"{_name} unwrap fails, key": (_start + f"watched = key; {_refused}"),
    }

# The same work as people do it today: the watched value is found in ordinary memory, by the same scan.
LEAKS = {
    "AES-256-GCM, object kept": "cipher = AESGCM(memoryview(watched)); cipher.encrypt(bytes(12), b'data', None)",
    "AES-256-GCM, object dropped, nothing cleared": "AESGCM(memoryview(watched)).encrypt(bytes(12), b'data', None)",
    "AES-256-GCM, plaintext as bytes": """
cipher = AESGCM(bytes(32)); opened = cipher.decrypt(bytes(12), cipher.encrypt(bytes(12), watched, None), None)
""",
    "AES-256-GCM, plaintext that is not authentic": """
from cryptography.exceptions import InvalidTag
cipher = AESGCM(bytes(32)); out = bytearray(32)
try: cipher.decrypt_into(bytes(12), spoiled(cipher.encrypt(bytes(12), watched, None)), None, out)
except InvalidTag: pass
""",
    "HKDF, result": """
made = HKDF(SHA256(), 32, None, b"").derive(os.urandom(32)); watched = SecureBytes.take(bytearray(made))
""",
    "AES-KW unwrap": "opened = aes_key_unwrap(bytes(32), aes_key_wrap(bytes(32), memoryview(watched)))",
    "Ed25519, object kept": "signer = Ed25519PrivateKey.from_private_bytes(memoryview(watched))",
    "X25519, object kept": "private = X25519PrivateKey.from_private_bytes(memoryview(watched))",
    "Argon2id": """
Argon2id(salt=bytes(16), length=32, iterations=1, lanes=1, memory_cost=64).derive(memoryview(watched))
""",
}
LEAKS_PRELUDE = """
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
watched = SecureBytes.random(32)
"""
