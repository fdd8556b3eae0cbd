"""What type checkers say of the cryptography: right uses pass, keys that are not in locked memory are found."""

from __future__ import annotations

from tests.support.type_checks import check

RIGHT = """
from securemem import SealedBytes, SecureBytes
from securemem.crypto import aead, agreement, argon2, hazmat, kdf, mac, signing, wrap
sealed: SealedBytes = SealedBytes.take(bytearray(4))
with sealed.open() as secret:
    same: bool = secret == b"abcd"
key = aead.Key(SecureBytes.random(32), "AES-256-GCM")
box: bytes = key.encrypt(secret, b"aad")
plain: SecureBytes = key.decrypt(box, bytearray(b"aad"))
key.decrypt_into(box, plain)
made: SecureBytes = kdf.hkdf(plain, 32, info=b"x")
code: bytes = mac.hmac(made, memoryview(b"data"), algorithm="SHA-512")
wrapped: bytes = wrap.wrap(made, plain, algorithm="AES-KWP")
cost: argon2.Cost = argon2.calibrate(0.5)
shared: SecureBytes = agreement.x25519_exchange(agreement.x25519_generate(), b"")
signing.ed25519_verify(signing.ed25519_public_key(shared), b"", b"")
nonce_was_mine: bytes = hazmat.encrypt("XAES-256-GCM", made, bytes(24), b"")
"""
WRONG = """
from securemem import SealedBytes, SecureBytes
from securemem.crypto import aead, kdf
aead.Key(bytes(32))
aead.Key(SecureBytes.random(32), "AES-512")
kdf.hkdf(b"bytes", 32)
SealedBytes.copy_of("text")
aead.Key.generate().encrypt("text")
"""


def test_right_uses_pass(tmp_path):
    """Every function is typed from SecureBytes to SecureBytes, or to bytes where the result is no secret."""
    done = check(tmp_path, RIGHT)
    assert done.returncode == 0, done.stdout


def test_wrong_uses_are_found(tmp_path):
    """Positive control: what raises at run time is an error to the checker too."""
    found = {line.split(":")[1] for line in check(tmp_path, WRONG).stdout.splitlines() if ": error:" in line}
    assert found == {"4", "5", "6", "7", "8"}
