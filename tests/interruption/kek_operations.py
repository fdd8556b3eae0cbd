"""Key-encryption keys, envelopes, and the making of a store, as the interruption driver runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem import KeyStore, Passphrase, SecureBytes
from securemem.crypto.aead import Key
from securemem.crypto.argon2 import Cost
from securemem.keystore.envelope import Envelope
from securemem.keystore.kek._service import ServiceKey
from securemem.keystore.kek.key_file import KeyFile
from tests.interruption.shop import CONTEXT, Device, HeldKey, Panic
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from securemem._types import Scope
    from tests.support.interruption import Attempt


def _envelope(*, opens: bool) -> Operation:
    """Envelopes; their data keys live as long as they do."""

    def make(_folder: Path) -> Case:
        secrets: list[SecureBytes] = []
        kek, plain = Device(secrets), SecureBytes.random(48)
        secrets.append(plain)
        envelope = Envelope(kek)
        box = envelope.encrypt(plain, CONTEXT)
        envelope.clear()

        def check(attempt: Attempt) -> str | None:
            if attempt.error is None:
                right = attempt.result if opens else envelope.decrypt(attempt.result, CONTEXT)  # type: ignore[arg-type] # a box
                if right != plain:
                    return "the plaintext is wrong"
            envelope.clear()
            return None

        work = (lambda: envelope.decrypt(box, CONTEXT)) if opens else (lambda: envelope.encrypt(plain, CONTEXT))
        return Case(work, secrets, check=check, watched=plain)

    return Operation(f"Envelope: {'decrypt' if opens else 'encrypt'}", make, (Panic,), watched=True)


def _wrong(attempt: Attempt, key: SecureBytes) -> str | None:
    right = attempt.error is not None or not isinstance(attempt.result, SecureBytes) or attempt.result == key
    return None if right else "the key is wrong"


def _key_file(name: str, use: Callable[[KeyFile, SecureBytes, bytes], object]) -> Operation:
    def make(folder: Path) -> Case:
        kek, key = KeyFile.generate(folder / "key"), SecureBytes.random(32)
        wrapped = kek.wrap(key, CONTEXT)

        return Case(
            lambda: use(kek, key, wrapped),
            [key],
            folder=folder,
            files=frozenset({"key"}),
            check=lambda attempt: _wrong(attempt, key),
            watched=key,
        )

    return Operation(f"KeyFile.{name}", make, (Panic,), (TypeError,), watched=True)


class _Service(ServiceKey):
    """Seals by AES-GCM, and keeps what it is given, as frames of a service's client do."""

    __slots__ = ("_key", "kept")
    _MAGIC = b"skx\x01"
    _NAME = "the service of the tests"

    def __init__(self, kept: list[SecureBytes]) -> None:
        super().__init__(attempts=1)
        self.kept: list[SecureBytes] = []
        secret = SecureBytes.random(32)
        kept.append(secret)
        self._key = Key(secret)

    def _seal(self, _scope: Scope, own: SecureBytes, context: bytes, /) -> bytes:
        self.kept.append(own)
        return self._key.encrypt(own, context)

    def _unseal(self, scope: Scope, sealed: bytes, context: bytes, own: SecureBytes, /) -> None:
        self.kept.append(own)
        scope.write(own, "the key")[:] = scope.read(self._key.decrypt(sealed, context), "the answer")

    def _judged(self, _error: Exception) -> None:
        """Nothing that it raises is an answer of the service."""


def _service(*, opens: bool) -> Operation:
    """What a service seals is wiped, whoever keeps it."""

    def make(_folder: Path) -> Case:
        secrets: list[SecureBytes] = [SecureBytes.random(32)]
        key, kek = secrets[0], _Service(secrets)
        wrapped = kek.wrap(key, CONTEXT)

        def check(attempt: Attempt) -> str | None:
            if not all(one.wiped for one in kek.kept):
                return "what the service sealed is not wiped"
            return _wrong(attempt, key)

        work = (lambda: kek.unwrap(wrapped, CONTEXT)) if opens else (lambda: kek.wrap(key, CONTEXT))
        return Case(work, secrets, check=check, watched=key)

    return Operation(f"ServiceKey.{'unwrap' if opens else 'wrap'}", make, (Panic,), watched=True)


def _passphrase(*, opens: bool) -> Operation:
    """A passphrase is wiped once it was used."""

    def make(_folder: Path) -> Case:
        cost = Cost(64, 1)
        key, secret = SecureBytes.random(32), SecureBytes.copy_of(b"correct horse")
        wrapped = Passphrase(SecureBytes.copy_of(b"correct horse"), cost=cost).wrap(key, CONTEXT)
        kek = Passphrase(secret, cost=cost)

        def check(attempt: Attempt) -> str | None:
            if attempt.error is None and not secret.wiped:
                return "the passphrase is not wiped"
            return _wrong(attempt, key)

        work = (lambda: kek.unwrap(wrapped, CONTEXT)) if opens else (lambda: kek.wrap(key, CONTEXT))
        return Case(work, [key, secret], check=check, watched=key)

    return Operation(f"Passphrase.{'unwrap' if opens else 'wrap'}", make, (Panic,), watched=True)


def _generate_key_file(folder: Path) -> Case:
    path = folder / "key"

    def check(attempt: Attempt) -> str | None:
        if attempt.error is None:
            return None if path.stat().st_size == 32 else "the file is not whole"
        return "a file of a failed operation is there" if path.exists() and path.stat().st_size != 32 else None

    return Case(lambda: KeyFile.generate(path), folder=folder, files=frozenset({"key"}), check=check)


def _new(_folder: Path) -> Case:
    """The making of a store."""
    secrets: list[SecureBytes] = []
    kek = HeldKey(secrets)
    made: list[KeyStore] = []

    def after(attempt: Attempt) -> None:
        if isinstance(attempt.result, KeyStore):
            made.append(attempt.result)
            made[0].lock()

    return Case(lambda: KeyStore(kek), secrets, after=after)


def _new_with_timer(_folder: Path) -> Case:
    secrets: list[SecureBytes] = []
    kek = HeldKey(secrets)

    def life() -> None:
        store = KeyStore(kek, idle_timeout=1000, absolute_timeout=2000)
        store.generate("key").encrypt(b"data")
        store.lock()

    return Case(life, secrets)


OPERATIONS = [
    _envelope(opens=False),
    _envelope(opens=True),
    _key_file("wrap", lambda kek, key, _: kek.wrap(key, CONTEXT)),
    _key_file("unwrap", lambda kek, _, wrapped: kek.unwrap(wrapped, CONTEXT)),
    _service(opens=False),
    _service(opens=True),
    _passphrase(opens=False),
    _passphrase(opens=True),
    Operation("KeyFile.generate", _generate_key_file, (), (TypeError,)),
    Operation("KeyStore: new", _new, (Panic,)),
    Operation("KeyStore: with timers", _new_with_timer, (Panic,)),
]
