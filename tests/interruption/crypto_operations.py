"""The operations of securemem.crypto, as the interruption driver runs them: keys and results are locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem import DecryptionError, SealedBytes, SecureBytes
from securemem.crypto import aead, agreement, argon2, hazmat, kdf, mac, signing, wrap
from securemem.crypto._ciphers import algorithm_named
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.interruption import Attempt

    Use = Callable[[SecureBytes], object]

DATA = bytes(range(48))


class _IsPanic(type):
    def __instancecheck__(cls, error: object) -> bool:
        return type(error).__name__ == "PanicException"


class Panic(BaseException, metaclass=_IsPanic):
    """What cryptography's Rust raises where it is refused memory; its class can be imported from nowhere."""


def _with_a_key(name: str, use: Use, *, least: int = 0, size: int = 32) -> Operation:
    """A use of a fresh key, which is a watched one: whatever happens, it is whole, and nowhere else."""

    def make(_folder: Path) -> Case:
        key = SecureBytes.random(size)
        twin = SecureBytes.copy_of(key)

        def check(_attempt: Attempt) -> str | None:
            return None if key == twin else "the key changed"

        return Case(lambda: use(key), [key, twin], check=check, watched=key)

    return Operation(name, make, (Panic,), least, watched=True)


def _into(name: str, use: Callable[[aead.Key, bytes, SecureBytes], object], algorithm: aead.AlgorithmName) -> Operation:
    """A decryption; what is written to is wiped unless all of the plaintext is there, and was authentic."""

    def make(_folder: Path) -> Case:
        key = aead.Key.generate(algorithm)
        box = key.encrypt(DATA)
        out = SecureBytes.zeros(len(DATA))

        def check(_attempt: Attempt) -> str | None:
            return None if out == DATA or out == bytes(len(DATA)) else "a part of the plaintext is left"

        return Case(lambda: use(key, box, out), [key.secret, out], check=check)

    return Operation(name, make, (Panic,), 5)


def _refused(_folder: Path) -> Case:
    """A forged box, decrypted inside the with statement of its target."""
    key = aead.Key.generate()
    box = bytearray(key.encrypt(DATA))
    box[30] ^= 1
    secret = SecureBytes.zeros(len(DATA))

    def attempt() -> str:
        try:
            with secret as out:
                key.decrypt_into(box, out)
        except DecryptionError:
            return "refused"
        return "taken"

    def check(ended: Attempt) -> str | None:
        return f"a forged box was {ended.result}" if ended.error is None and ended.result != "refused" else None

    return Case(attempt, [key.secret, secret], check=check)


def _kept(_folder: Path) -> Case:
    """A cipher made ready, used and closed."""
    key = SecureBytes.random(32)

    def use() -> bytes:
        cipher = algorithm_named("KC-XAES-256-GCM").cipher
        prepared = cipher.prepare(key)
        box = cipher.seal(prepared, b"", None, DATA, b"")
        prepared.close()
        return box

    return Case(use, [key])


def _seal_taken(_folder: Path) -> Case:
    source = bytearray(DATA)

    def check(attempt: Attempt) -> str | None:
        if attempt.error is None:
            return None if not any(source) else "take() left its source"
        return None if source == DATA or not any(source) else "take() wiped a part of its source"

    return Case(lambda: SealedBytes.take(source), check=check)


def _sealed_open(_folder: Path) -> Case:
    sealed = SealedBytes.copy_of(DATA)
    return Case(sealed.open)


PEER = agreement.x25519_public_key(agreement.x25519_generate())
WRAPPED = wrap.wrap(SecureBytes.copy_of(bytes(32)), SecureBytes.copy_of(DATA))
PADDED = wrap.wrap(SecureBytes.copy_of(bytes(32)), SecureBytes.copy_of(b"short"), algorithm="AES-KWP")
KEK = SecureBytes.copy_of(bytes(32))

OPERATIONS = [
    *(
        _with_a_key(f"aead.Key.encrypt {name}", lambda key, name=name: aead.Key(key, name).encrypt(DATA), least=40)
        for name in ("KC-XAES-256-GCM", "AES-256-GCM", "AES-256-GCM-SIV", "ChaCha20-Poly1305")
    ),
    _with_a_key("aead.Key.encrypt, plaintext", aead.Key.generate().encrypt, least=1),
    _with_a_key("aead.Key.encrypt_into", lambda key: aead.Key(key).encrypt_into(DATA, bytearray(48 + 72)), least=40),
    _with_a_key("hazmat.encrypt", lambda key: hazmat.encrypt("AES-256-GCM", key, bytes(12), key), least=40),
    *(
        _into(f"aead.Key.decrypt {name}", lambda key, box, _out: key.decrypt(box), name)
        for name in ("KC-XAES-256-GCM", "AES-256-GCM")
    ),
    *(
        _into(f"aead.Key.decrypt_into {name}", lambda key, box, out: key.decrypt_into(box, out), name)
        for name in ("KC-XAES-256-GCM", "AES-256-GCM")
    ),
    # CPython 3.11 itself says SystemError where memory is refused while an exception leaves a with statement.
    Operation("aead.Key.decrypt_into, forged", _refused, (Panic, SystemError), 20),
    Operation("a kept cipher", _kept, (Panic,), 20),
    _with_a_key("mac.hmac", lambda key: mac.hmac(key, DATA), least=40),
    _with_a_key("mac.verify", lambda key: mac.verify(key, DATA, mac.hmac(key, DATA)), least=80),
    _with_a_key("kdf.hkdf", lambda key: kdf.hkdf(key, 80, salt=b"salt", info=b"info"), least=100),
    _with_a_key("kdf.hkdf_extract", lambda key: kdf.hkdf_extract(key, salt=b"salt"), least=40),
    _with_a_key("kdf.hkdf_expand", lambda key: kdf.hkdf_expand(key, 20), least=60),
    _with_a_key("kdf.pbkdf2", lambda key: kdf.pbkdf2(key, b"salt", 32, iterations=2), least=40),
    _with_a_key("kdf.scrypt", lambda key: kdf.scrypt(key, b"salt", 32, n=2), least=40),
    _with_a_key("argon2.argon2id", lambda key: argon2.argon2id(key, bytes(16), cost=argon2.Cost(8, 1)), least=80),
    _with_a_key("wrap.wrap", lambda key: wrap.wrap(key, KEK), least=60),
    _with_a_key("wrap.wrap AES-KWP", lambda key: wrap.wrap(KEK, key, algorithm="AES-KWP"), least=60),
    Operation("wrap.unwrap", lambda _folder: Case(lambda: wrap.unwrap(KEK, WRAPPED)), (Panic,), 60),
    Operation(
        "wrap.unwrap AES-KWP", lambda _folder: Case(lambda: wrap.unwrap(KEK, PADDED, algorithm="AES-KWP")), (), 60
    ),
    _with_a_key("signing.ed25519_sign", lambda key: signing.ed25519_sign(key, DATA), least=20),
    _with_a_key("signing.ed25519_public_key", signing.ed25519_public_key, least=20),
    _with_a_key("agreement.x25519_public_key", agreement.x25519_public_key, least=20),
    _with_a_key("agreement.x25519_exchange", lambda key: agreement.x25519_exchange(key, PEER), least=40),
    _with_a_key("SealedBytes.seal", SealedBytes.seal, least=20),
    Operation("SealedBytes.take", _seal_taken, (Panic,), 20),
    Operation("SealedBytes.open", _sealed_open, (Panic,), 5),
]
