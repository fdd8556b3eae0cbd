"""Key-encryption keys, envelopes, and the making of a store, as the interruption driver runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem import KeyStore, SecureBytes
from securemem.keystore.envelope import Envelope
from securemem.keystore.kek.key_file import KeyFile
from tests.interruption.shop import CONTEXT, Device, HeldKey, Panic
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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


def _key_file(name: str, use: Callable[[KeyFile, SecureBytes, bytes], object]) -> Operation:
    def make(folder: Path) -> Case:
        kek, key = KeyFile.generate(folder / "key"), SecureBytes.random(32)
        wrapped = kek.wrap(key, CONTEXT)

        def check(attempt: Attempt) -> str | None:
            right = attempt.error is not None or not isinstance(attempt.result, SecureBytes) or attempt.result == key
            return None if right else "the key is wrong"

        return Case(
            lambda: use(kek, key, wrapped),
            [key],
            folder=folder,
            files=frozenset({"key"}),
            check=check,
            watched=key,
        )

    return Operation(f"KeyFile.{name}", make, (Panic,), (TypeError,), watched=True)


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
    Operation("KeyFile.generate", _generate_key_file, (), (TypeError,)),
    Operation("KeyStore: new", _new, (Panic,)),
    Operation("KeyStore: with timers", _new_with_timer, (Panic,)),
]
