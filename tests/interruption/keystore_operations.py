"""The operations of a key store, interrupted wherever that can be: afterwards its gate is empty, and lock() wipes."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

from securemem import KeyStore, Policy, SecureBytes
from securemem.crypto import wrap
from securemem.keystore.cleartext import export
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from securemem import KeyHandle
    from securemem.keystore._algorithms import KeyAlgorithmName
    from tests.support.interruption import Attempt

DATA = b"plaintext " * 20
LONG = bytes(200_000)


class _IsPanic(type):
    def __instancecheck__(cls, error: object) -> bool:
        return type(error).__name__ == "PanicException"


class Panic(BaseException, metaclass=_IsPanic):
    """What cryptography's Rust raises where it is refused memory; its class can be imported from nowhere."""


class Device:
    """A key-encryption key: AES-KW, as a device would do it."""

    def __init__(self) -> None:
        self.secret = SecureBytes.random(32)

    def wrap(self, key: SecureBytes, _context: bytes) -> bytes:
        """Encrypt."""
        return wrap.wrap(self.secret, key)

    def unwrap(self, wrapped: bytes, _context: bytes) -> SecureBytes:
        """Decrypt."""
        return wrap.unwrap(self.secret, wrapped)


def _unlock_and_lock(store: KeyStore, device: Device) -> None:
    store.unlock(device)
    store.lock()


def _on_a_key(
    name: str,
    use: Callable[[KeyStore, KeyHandle, bytes], object],
    *,
    algorithm: KeyAlgorithmName = "AES-256-GCM",
    policy: Policy | None = None,
    least: int = 20,
) -> Operation:
    """A use of a store with one key and one box; whatever happens, the box opens afterwards."""

    def make(folder: Path) -> Case:
        device = Device()
        store = KeyStore(device)
        key = store.generate("key", algorithm, policy or Policy())
        store.put("secret", bytearray(b"opaque"))
        is_box = algorithm in {"AES-256-GCM", "KC-XAES-256-GCM"} and "encrypt" in (key.policy.usages or ())
        box = key.encrypt(DATA, b"c") if is_box else b""

        def check(_attempt: Attempt) -> str | None:
            if store.get("secret") != b"opaque" or list(store)[:2] != ["key", "secret"]:
                return "the store lost what it had"
            if is_box and key.versions[0].state in {"primary", "active"} and key.decrypt(box, b"c") != DATA:
                return "a box does not open any more"
            return None

        def unlock() -> None:
            store.unlock(device)
            if is_box and key.versions[0].state in {"primary", "active"}:
                assert key.decrypt(box, b"c") == DATA
            assert store.get("secret") == b"opaque"
            store.lock()

        return Case(lambda: use(store, key, box), [device.secret], store, unlock, folder=folder, check=check)

    return Operation(name, make, (Panic,), least=least)


def _whole(
    name: str,
    use: Callable[[KeyStore, Device], object],
    check: Callable[[KeyStore, Attempt], str | None] = lambda _store, _attempt: None,
) -> Operation:
    """A use of the store itself, with one key, open."""

    def make(_folder: Path) -> Case:
        device = Device()
        store = KeyStore(device)
        store.generate("key", "AES-256-GCM").encrypt(b"x")
        return Case(
            lambda: use(store, device),
            [device.secret],
            store,
            partial(_unlock_and_lock, store, device),
            check=lambda attempt: check(store, attempt),
        )

    return Operation(name, make, (Panic,), least=10)


def _session(_store: KeyStore, key: KeyHandle, box: bytes) -> object:
    session = key.session()
    session.encrypt(DATA, b"c")
    session.decrypt(box, b"c").wipe()
    session.end()
    return session.ended


def _in_a_session(store: KeyStore, key: KeyHandle, box: bytes) -> object:
    with key.session() as session:
        return session.decrypt(box, b"c"), store.locked


def _stream(_store: KeyStore, key: KeyHandle, _box: bytes) -> object:
    middle, out = io.BytesIO(), io.BytesIO()
    key.encrypt_stream(io.BytesIO(LONG), middle, b"c")
    middle.seek(0)
    return key.decrypt_stream(middle, out, b"c")


def _put(store: KeyStore, _key: KeyHandle, _box: bytes) -> None:
    store.put("new", bytearray(b"secret"))


def _states(_store: KeyStore, key: KeyHandle, _box: bytes) -> None:
    key.rotate(pending=True)
    key.promote(2)
    key.promote(1)
    key.disable(2)
    key.enable(2)
    key.destroy(2)


def _files(folder: Path) -> Case:
    device = Device()
    store = KeyStore(device)
    key = store.generate("key", "AES-256-GCM")
    source, target, back = folder / "source", folder / "target", folder / "back"
    source.write_bytes(LONG)
    target.write_bytes(b"former")

    def use() -> None:
        key.encrypt_file(source, target)
        key.decrypt_file(target, back)

    def check(_attempt: Attempt) -> str | None:
        if target.read_bytes() != b"former" and key.decrypt_file(target, folder / "back") != len(LONG):
            return "the target is neither what it was nor whole"
        return None if not back.exists() or back.read_bytes() == LONG else "a part of the plaintext is there"

    files = frozenset({"source", "target", "back"})
    unlock = partial(_unlock_and_lock, store, device)
    return Case(use, [device.secret], store, unlock, folder=folder, files=files, check=check)


def _relock(store: KeyStore, device: Device) -> None:
    store.lock()
    store.unlock(device)


def _locked_says_wiped(store: KeyStore, attempt: Attempt) -> str | None:
    gate = store._contents.gate
    if store.locked and gate.held:
        return "locked, with keys in clear"
    return "lock() returned, and the store is not locked" if attempt.error is None and not store.locked else None


def _changed(store: KeyStore, _attempt: Attempt) -> str | None:
    return None if store["key"].versions[0].number == 1 else "the key is gone"


WRAPPING = Policy(usages=frozenset({"wrap", "unwrap"}))
OPERATIONS = [
    _on_a_key("KeyHandle.encrypt", lambda _, key, __: key.encrypt(DATA, b"c")),
    _on_a_key("KeyHandle.encrypt XAES", lambda _, key, __: key.encrypt(DATA, b"c"), algorithm="KC-XAES-256-GCM"),
    _on_a_key("KeyHandle.decrypt", lambda _, key, box: key.decrypt(box, b"c")),
    _on_a_key("KeyHandle.rewrap", lambda _, key, box: key.rewrap(box, b"c")),
    _on_a_key("KeyHandle.session", _session),
    _on_a_key("KeyHandle.session with", _in_a_session),
    _on_a_key("KeyHandle.encrypt_stream", _stream),
    _on_a_key("KeyHandle.mac", lambda _, key, __: key.verify_mac(DATA, key.mac(DATA)), algorithm="HMAC-SHA-256"),
    _on_a_key("KeyHandle.sign", lambda _, key, __: key.verify(DATA, key.sign(DATA)), algorithm="Ed25519"),
    _on_a_key("KeyHandle.agree", lambda _, key, __: key.agree(key.public_key()), algorithm="X25519"),
    _on_a_key(
        "KeyStore.derive",
        lambda store, key, _: store.derive("derived", "AES-256-GCM", source=key),
        algorithm="HKDF-SHA-256",
    ),
    _on_a_key("KeyHandle.rotate", lambda _, key, __: key.rotate()),
    _on_a_key("KeyHandle states", _states),
    _on_a_key(
        "KeyHandle.forbid_extraction", lambda _, key, __: key.forbid_extraction(), policy=Policy(extractable=True)
    ),
    _on_a_key("cleartext.export", lambda _, key, __: export(key), policy=Policy(extractable=True)),
    _on_a_key("KeyStore.put", _put),
    _on_a_key("KeyStore.get", lambda store, _, __: store.get("secret")),
    _on_a_key("KeyStore.generate", lambda store, _, __: store.generate("new")),
    # Python's os.fspath() makes a TypeError of a MemoryError.
    Operation("KeyHandle.encrypt_file", _files, (Panic, TypeError), least=20),
    _whole("KeyStore.lock", lambda store, _: store.lock(), _locked_says_wiped),
    _whole("KeyStore.lock and unlock", _relock),
    _whole("KeyStore.unlock, unlocked", lambda store, device: store.unlock(device), _changed),
    _whole("KeyStore.change_kek", lambda store, device: store.change_kek(device), _changed),
    _whole("KeyStore.delete", lambda store, _: store.delete("key")),
    _whole("KeyStore.clear", lambda store, _: store.clear()),
]
