"""The operations of `securemem.crypto`, as the interruption driver runs them.

Keys and plaintexts are random and lie in SecureBytes only, so that a scan from outside can look for them.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from securemem import SealedBytes, SecureBytes
from securemem.crypto import aead, agreement, argon2, hazmat, kdf, mac, signing, wrap
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from securemem.crypto.aead import AlgorithmName
    from tests.support.interruption import Attempt

AAD = b"associated"


def _of(
    name: str,
    size: int,
    use: Callable[[SecureBytes], object],
    right: Callable[[SecureBytes, object], bool] = lambda _secret, _result: True,
) -> Operation:
    """An operation on one secret, which is watched, and what a right result is."""

    def make(_folder: Path) -> Case:
        secret = SecureBytes.random(size)

        def check(attempt: Attempt) -> str | None:
            if secret.wiped:
                return "the operation's input was wiped"
            return None if attempt.error is not None or right(secret, attempt.result) else "the result is wrong"

        return Case(lambda: use(secret), [secret], check=check, watched=secret)

    return Operation(name, make, watched=True)


def _encrypt(algorithm: AlgorithmName, size: int, *, into: bool, watch_key: bool) -> Operation:
    def make(_folder: Path) -> Case:
        secret, plain = SecureBytes.random(size), SecureBytes.random(48)
        key = aead.Key(secret, algorithm)
        out = bytearray(len(plain) + key.overhead)

        def check(attempt: Attempt) -> str | None:
            box: Any = out if into else attempt.result
            return None if attempt.error is not None or key.decrypt(box, AAD) == plain else "the box does not open"

        operate = (lambda: key.encrypt_into(plain, out, AAD)) if into else (lambda: key.encrypt(plain, AAD))
        return Case(operate, [secret, plain], check=check, watched=secret if watch_key else plain)

    what = f"aead.encrypt{'_into' if into else ''} {algorithm} ({'key' if watch_key else 'plaintext'} watched)"
    return Operation(what, make, watched=True)


def _decrypt(
    algorithm: AlgorithmName, size: int, *, into: type[bytearray | SecureBytes] | None, watch_key: bool
) -> Operation:
    def make(_folder: Path) -> Case:
        secret, plain = SecureBytes.random(size), SecureBytes.random(48)
        key = aead.Key(secret, algorithm)
        box = key.encrypt(plain, AAD)
        out = {None: None, bytearray: bytearray(48), SecureBytes: SecureBytes.zeros(48)}[into]
        secrets = [secret, plain, *([out] if isinstance(out, SecureBytes) else [])]

        def check(attempt: Attempt) -> str | None:
            return None if attempt.error is not None or (out or attempt.result) == plain else "the plaintext is wrong"

        operate = (lambda: key.decrypt(box, AAD)) if out is None else (lambda: key.decrypt_into(box, out, AAD))
        return Case(operate, secrets, destination=out, whole=plain, check=check, watched=secret if watch_key else plain)

    what = "" if into is None else f"_into {into.__name__}"
    return Operation(
        f"aead.decrypt{what} {algorithm} ({'key' if watch_key else 'plaintext'} watched)", make, watched=True
    )


def _hazmat(_folder: Path) -> Case:
    key, plain, nonce = SecureBytes.random(32), SecureBytes.random(48), os.urandom(12)
    box = hazmat.encrypt("AES-256-GCM", key, nonce, plain, AAD)

    def check(attempt: Attempt) -> str | None:
        return None if attempt.error is not None or attempt.result == plain else "the plaintext is wrong"

    return Case(lambda: hazmat.decrypt("AES-256-GCM", key, nonce, box, AAD), [key, plain], check=check, watched=plain)


def _wrap_itself(algorithm: wrap.WrapName, secret: SecureBytes) -> bytes:
    return wrap.wrap(secret, secret, algorithm=algorithm)


def _unwrap(algorithm: wrap.WrapName, size: int) -> Operation:
    def make(_folder: Path) -> Case:
        kek, key = SecureBytes.random(32), SecureBytes.random(size)
        wrapped = wrap.wrap(kek, key, algorithm=algorithm)

        def check(attempt: Attempt) -> str | None:
            return None if attempt.error is not None or attempt.result == key else "the key is wrong"

        return Case(lambda: wrap.unwrap(kek, wrapped, algorithm=algorithm), [kek, key], check=check, watched=key)

    return Operation(f"wrap.unwrap {algorithm}", make, watched=True)


def _exchange(_folder: Path) -> Case:
    private, peer = agreement.x25519_generate(), agreement.x25519_generate()
    public = agreement.x25519_public_key(peer)
    shared = agreement.x25519_exchange(peer, agreement.x25519_public_key(private))

    def check(attempt: Attempt) -> str | None:
        return None if attempt.error is not None or attempt.result == shared else "the shared secret is wrong"

    secrets = [private, peer, shared]
    return Case(lambda: agreement.x25519_exchange(private, public), secrets, check=check, watched=shared)


def _sealed_open(_folder: Path) -> Case:
    plain = SecureBytes.random(48)
    sealed = SealedBytes.copy_of(plain)

    def check(attempt: Attempt) -> str | None:
        return None if attempt.error is not None or attempt.result == plain else "the plaintext is wrong"

    return Case(sealed.open, [plain], check=check, watched=plain)


def _sealed_take(_folder: Path) -> Case:
    """SealedBytes.take(), which wipes its source once it is sealed, and not before."""
    twin = SecureBytes.random(48)
    plain = bytearray(twin)

    def check(attempt: Attempt) -> str | None:
        if isinstance(attempt.result, SealedBytes):
            if any(plain):
                return "the source of what is sealed is not wiped"
            return None if attempt.result.open() == twin else "another secret is sealed"
        return None if twin == plain or not any(plain) else "the source is wiped in part"

    return Case(lambda: SealedBytes.take(plain), [twin], check=check)


def _sealed_with(_folder: Path) -> Case:
    sealed = SealedBytes.copy_of(b"sealed")

    def use() -> int:
        with sealed as one:
            return len(one)

    def check(attempt: Attempt) -> str | None:
        return "the with statement ended, and it is not wiped" if attempt.error is None and not sealed.wiped else None

    return Case(use, check=check)


def _signature(_folder: Path) -> Case:
    private = signing.ed25519_generate()
    public = signing.ed25519_public_key(private)

    def check(attempt: Attempt) -> str | None:
        if isinstance(attempt.result, bytes):
            signing.ed25519_verify(public, AAD, attempt.result)
        return None

    return Case(lambda: signing.ed25519_sign(private, AAD), [private], check=check, watched=private)


_COST = argon2.Cost(8, 1)
_SALT = b"salt of sixteen."
_WRAPS: tuple[wrap.WrapName, ...] = ("AES-KW", "AES-KWP")
_KEYS: dict[AlgorithmName, int] = {"KC-XAES-256-GCM": 32, "AES-256-GCM": 32, "AES-128-GCM": 16}

OPERATIONS = [
    *(
        _encrypt(algorithm, size, into=into, watch_key=watch_key)
        for algorithm, size in _KEYS.items()
        for into in (False, True)
        for watch_key in (False, True)
    ),
    *(
        _decrypt(algorithm, size, into=into, watch_key=watch_key)
        for algorithm, size in _KEYS.items()
        for into in (None, bytearray, SecureBytes)
        for watch_key in (False, True)
        if watch_key
        or into is not bytearray  # a bytearray has the plaintext where the exception comes after all is done
    ),
    _of("aead.Key", 32, lambda secret: aead.Key(secret, "AES-256-GCM")),
    Operation("hazmat.decrypt", _hazmat, watched=True),
    _of("kdf.hkdf", 32, lambda secret: kdf.hkdf(secret, 80, info=AAD)),
    _of("kdf.hkdf_extract", 32, lambda secret: kdf.hkdf_extract(secret, salt=_SALT)),
    _of("kdf.hkdf_expand", 32, lambda secret: kdf.hkdf_expand(secret, 80, info=AAD)),
    _of("kdf.pbkdf2", 32, lambda secret: kdf.pbkdf2(secret, _SALT, 32, iterations=1000)),
    _of("kdf.scrypt", 32, lambda secret: kdf.scrypt(secret, _SALT, 32, n=2, r=1, p=1)),
    _of("argon2.argon2id", 32, lambda secret: argon2.argon2id(secret, _SALT, cost=_COST)),
    _of("mac.hmac", 32, lambda secret: mac.hmac(secret, AAD)),
    _of("agreement.x25519_public_key", 32, agreement.x25519_public_key),
    Operation("agreement.x25519_exchange", _exchange, watched=True),
    _of("signing.ed25519_public_key", 32, signing.ed25519_public_key),
    Operation("signing.ed25519_sign", _signature, watched=True),
    *(_of(f"wrap.wrap {name}", 32, partial(_wrap_itself, name)) for name in _WRAPS),
    _unwrap("AES-KW", 32),
    _unwrap("AES-KWP", 27),
    Operation("SealedBytes.open", _sealed_open, watched=True),
    Operation("SealedBytes.take", _sealed_take),
    _of("SealedBytes.seal", 48, SealedBytes.seal),
    _of("SealedBytes.copy_of", 48, SealedBytes.copy_of),
    Operation("SealedBytes with", _sealed_with),
]
