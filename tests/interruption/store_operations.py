"""The operations of the key store, as the interruption driver runs them: see `shop.Shop`.

After each attempt the store is locked from another thread, opened again, and must do with its keys and secrets what it
says of them.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from securemem import KeyStore, Passphrase, Policy, SecureBytes
from securemem.crypto.argon2 import Cost
from securemem.keystore import cleartext
from tests.interruption.shop import CONTEXT, Device, Panic, Reader, Shop, Writer, on_a_store
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.interruption import Attempt

LARGE = 70_000  # bytes: two chunks of a stream
COST = Cost(8, 1)


def _given(size: int) -> Callable[[Shop], SecureBytes]:
    def prepare(shop: Shop) -> SecureBytes:
        return shop.own(SecureBytes.random(size))

    return prepare


def _same_again(shop: Shop) -> SecureBytes:
    return shop.own(SecureBytes.copy_of(shop.plain))


def _decrypt_into(folder: Path) -> Case:
    shop = Shop(folder)
    out = shop.own(SecureBytes.zeros(48))
    case = shop.case(lambda: shop.key.decrypt_into(shop.protected, out, CONTEXT))
    case.destination, case.whole, case.watched = out, shop.plain, shop.plain
    return case


def _session(shop: Any) -> Any:
    return shop.key.session()


def _file(name: str, *, decrypts: bool, over: bool = False) -> Operation:
    """A file is written beside its place: the target is there, and whole, or nothing is."""

    def make(folder: Path) -> Case:
        shop = Shop(folder)
        text = os.urandom(LARGE)
        plain, box, target = folder / "plain", folder / "box", folder / "target"
        plain.write_bytes(text)
        shop.key.encrypt_file(plain, box, CONTEXT)
        source, work = (box, shop.key.decrypt_file) if decrypts else (plain, shop.key.encrypt_file)
        if over:
            target.write_bytes(b"former")

        def check(_attempt: Attempt) -> str | None:
            if not target.exists() or (over and target.read_bytes() == b"former"):
                wrong = _attempt.error is None or (over and not target.exists())
                return "the file is not what it must be" if wrong else None
            if decrypts:
                return None if target.read_bytes() == text else "the file is not whole"
            shop.store.unlock(shop.kek) if shop.store.locked else None
            shop.key.decrypt_file(target, folder / "again", CONTEXT)
            whole = (folder / "again").read_bytes() == text
            (folder / "again").unlink()
            return None if whole else "the file is not whole"

        case = shop.case(lambda: work(source, target, CONTEXT), check)
        case.folder, case.files = folder, frozenset({"plain", "box", "target"})
        return case

    # os.fspath takes a refused look-up of a method for its absence, and says that a path is none.
    return Operation(f"KeyStore: {name}", make, (Panic,), (TypeError,), watched=True)


def _stream(*, decrypts: bool) -> Operation:
    def make(folder: Path) -> Case:
        shop = Shop(folder)
        plain = shop.own(SecureBytes.random(LARGE))
        target = Writer(shop.own(SecureBytes.zeros(LARGE + 200)))
        if not decrypts:
            return shop.case(lambda: shop.key.encrypt_stream(Reader(plain), target, CONTEXT))
        shop.key.encrypt_stream(Reader(plain), target, CONTEXT)
        with target.data.reveal() as view:
            box = bytes(view[: target.at])
        again = Writer(shop.own(SecureBytes.zeros(LARGE)))

        def check(attempt: Attempt) -> str | None:
            return None if attempt.error is not None or again.data == plain else "the plaintext is wrong"

        return shop.case(lambda: shop.key.decrypt_stream(Reader(box), again, CONTEXT), check)

    return Operation(f"KeyStore: {'decrypt' if decrypts else 'encrypt'}_stream", make, watched=True)


def _unlock(_folder: Path) -> Case:
    """By a passphrase, which is wiped, whether it was right or not."""
    words = SecureBytes.random(16)
    again = [SecureBytes.copy_of(words) for _ in range(2)]
    store = KeyStore(Passphrase(words, cost=COST))
    key = store.generate("key")
    box = key.encrypt(b"data")
    store.lock()
    kek = Passphrase(again[0], cost=COST)

    def check(attempt: Attempt) -> str | None:
        if attempt.error is None:
            return "unlock() returned and the store is locked" if store.locked else None
        return None

    def unlock() -> None:
        if store.locked:
            store.unlock(Passphrase(SecureBytes.copy_of(again[1]), cost=COST))
        assert key.decrypt(box) == b"data"

    return Case(lambda: store.unlock(kek), [words, *again], store=store, unlock=unlock, check=check, watched=again[1])


def _lock(shop: Any) -> None:
    shop.store.lock()


def _locked(shop: Any, _result: Any) -> bool:
    return bool(shop.store.locked) and not shop.store._contents.gate.held


def _lock_and_unlock(shop: Any) -> None:
    shop.store.lock()
    shop.store.unlock(shop.kek)


def _relocked_by_a_device(shop: Any) -> None:
    """From now on a device opens the store."""
    shop.kek = Device(shop.secrets)
    shop.store.change_kek(shop.kek)


def _change_to_a_device(shop: Any) -> None:
    former, device = shop.kek, shop.given
    shop.kek = _Either(device, former)
    shop.store.change_kek(device)


class _Either:
    """Two key-encryption keys, one of which opens a store that was interrupted when it was given the other."""

    def __init__(self, *both: Any) -> None:
        self._both = both

    def wrap(self, key: SecureBytes, context: bytes) -> bytes:
        """By the first."""
        return self._both[0].wrap(key, context)  # type: ignore[no-any-return] # as it gives

    def unwrap(self, wrapped: bytes, context: bytes) -> SecureBytes:
        """By whichever can."""
        try:
            return self._both[0].unwrap(wrapped, context)  # type: ignore[no-any-return] # as it gives
        except Exception:  # noqa: BLE001 - the other one tells what is wrong
            return self._both[1].unwrap(wrapped, context)  # type: ignore[no-any-return] # as it gives


def _session_with(shop: Any) -> Any:
    with shop.key.session() as session:
        return session.decrypt(shop.protected, CONTEXT)


def _stream_of_bytes(shop: Any) -> int:
    """Through files of Python's own."""
    middle = io.BytesIO()
    shop.key.encrypt_stream(io.BytesIO(bytes(LARGE)), middle, CONTEXT)
    middle.seek(0)
    return int(shop.key.decrypt_stream(middle, io.BytesIO(), CONTEXT))


def _noted(shop: Any) -> None:
    shop.store.set_details("opaque", notes=shop.own(SecureBytes.copy_of(shop.plain)), labels=["one"], keep=2)


def _exported(shop: Any) -> Any:
    path = shop.folder / "export"
    shop.store.export_records(path, shop.kek)
    shop.store.delete("opaque")
    return path


def _wrapped(shop: Any) -> Any:
    shop.wrapping = shop.store.generate("wrapping", policy=Policy(usages=frozenset({"wrap", "unwrap"})))
    return shop.wrapping.wrap(shop.key, CONTEXT)


def _derived_from(shop: Any) -> Any:
    return shop.store.generate("source", "HKDF-SHA-256")


def _export(folder: Path) -> Case:
    """The file is there, and whole, or there is none."""
    shop = Shop(folder)
    target = folder / "records"

    def check(attempt: Attempt) -> str | None:
        if not target.exists():
            return "it returned, and there is no file" if attempt.error is None else None
        found = KeyStore(shop.kek).import_records(target, shop.kek)
        return None if found == ("key", "opaque") else "the file is not whole"

    case = shop.case(lambda: shop.store.export_records(target, shop.kek), check)
    case.folder, case.files = folder, frozenset({"records"})
    return case


def _rotated(shop: Any) -> Any:
    return shop.key.rotate(pending=True)


OPERATIONS = [
    on_a_store("generate", lambda shop: shop.store.generate("new")),
    on_a_store("generate Ed25519", lambda shop: shop.store.generate("new", "Ed25519")),
    on_a_store(
        "import_key",
        lambda shop: shop.store.import_key("new", "AES-256-GCM", shop.given),
        prepare=_given(32),
    ),
    on_a_store(
        "derive", lambda shop: shop.store.derive("new", "AES-256-GCM", source=shop.given), prepare=_derived_from
    ),
    on_a_store("wrap", lambda shop: shop.wrapping.wrap(shop.key, CONTEXT), prepare=_wrapped),
    on_a_store(
        "unwrap",
        lambda shop: shop.store.unwrap("new", shop.given, source=shop.wrapping, context=CONTEXT),
        prepare=_wrapped,
    ),
    on_a_store("put", lambda shop: shop.store.put("opaque", shop.given), prepare=_same_again),
    on_a_store("get", lambda shop: shop.store.get("opaque"), right=lambda shop, found: found == shop.plain),
    on_a_store(
        "put, former values kept", lambda shop: shop.store.put("opaque", shop.given, keep=2), prepare=_same_again
    ),
    on_a_store("put a new one", lambda shop: shop.store.put("new secret", shop.given), prepare=_same_again),
    on_a_store("put a bytearray", lambda shop: shop.store.put("new secret", bytearray(b"secret"))),
    on_a_store("set_details", _noted),
    on_a_store("notes", lambda shop: shop.store.notes("opaque"), prepare=_noted),
    on_a_store("find", lambda shop: shop.store.find("paq"), right=lambda _shop, found: len(found) == 1),
    on_a_store("items", lambda shop: list(shop.store.items())),
    on_a_store("rename a key", lambda shop: shop.store.rename("key", "other key"), prepare=_noted),
    on_a_store("rename a secret", lambda shop: shop.store.rename("opaque", "renamed")),
    Operation("KeyStore: export_records", _export, (Panic,), (TypeError,), watched=True),
    on_a_store(
        "import_records",
        lambda shop: shop.store.import_records(shop.given, shop.kek, replace=True),
        prepare=_exported,
        refusals=(TypeError,),
    ),
    on_a_store("delete a key", lambda shop: shop.store.delete("key")),
    on_a_store("delete a secret", lambda shop: shop.store.delete("opaque")),
    on_a_store("clear", lambda shop: shop.store.clear()),
    on_a_store("lock", _lock, right=_locked),
    on_a_store("lock with a session", _lock, prepare=_session, right=_locked),
    Operation("KeyStore: unlock", _unlock, watched=True),
    on_a_store("lock and unlock", _lock_and_unlock),
    on_a_store("lock and unlock by a device", _lock_and_unlock, prepare=_relocked_by_a_device),
    on_a_store("unlock, unlocked", lambda shop: shop.store.unlock(shop.kek)),
    on_a_store("change_kek", lambda shop: shop.store.change_kek(shop.kek)),
    on_a_store("change_kek to a device", _change_to_a_device, prepare=lambda shop: Device(shop.secrets)),
    on_a_store("encrypt", lambda shop: shop.key.encrypt(shop.plain, CONTEXT)),
    on_a_store(
        "encrypt AES-256-GCM", lambda shop: shop.key.encrypt(shop.plain, CONTEXT), algorithm="AES-256-GCM", least=5
    ),
    on_a_store(
        "encrypt with counts",
        lambda shop: shop.given.encrypt(shop.plain, CONTEXT),
        prepare=lambda shop: shop.store.generate("counted", policy=Policy(max_messages=1000, max_bytes=10**6)),
    ),
    on_a_store("encrypt with an idle timer", lambda shop: shop.key.encrypt(shop.plain, CONTEXT), idle_timeout=1000),
    on_a_store("encrypt with an audit", lambda shop: shop.key.encrypt(shop.plain, CONTEXT), audit=lambda _event: None),
    on_a_store(
        "encrypt_into",
        lambda shop: shop.key.encrypt_into(shop.plain, shop.given, CONTEXT),
        prepare=lambda shop: bytearray(48 + shop.key.overhead),
    ),
    on_a_store(
        "decrypt",
        lambda shop: shop.key.decrypt(shop.protected, CONTEXT),
        right=lambda shop, found: found == shop.plain,
    ),
    Operation("KeyStore: decrypt_into", _decrypt_into, watched=True),
    on_a_store("rewrap", lambda shop: shop.key.rewrap(shop.protected, CONTEXT), prepare=lambda shop: shop.key.rotate()),
    on_a_store("session", _session),
    on_a_store("session with", _session_with),
    on_a_store("session.encrypt", lambda shop: shop.given.encrypt(shop.plain, CONTEXT), prepare=_session),
    on_a_store("session.decrypt", lambda shop: shop.given.decrypt(shop.protected, CONTEXT), prepare=_session),
    on_a_store("session.end", lambda shop: shop.given.end(), prepare=_session),
    on_a_store(
        "streams of bytes", _stream_of_bytes, right=lambda _shop, count: count == LARGE, algorithm="AES-256-GCM"
    ),
    _stream(decrypts=False),
    _stream(decrypts=True),
    _file("encrypt_file", decrypts=False),
    _file("encrypt_file over a file", decrypts=False, over=True),
    _file("decrypt_file", decrypts=True),
    on_a_store("mac", lambda shop: shop.key.mac(shop.plain), algorithm="HMAC-SHA-256"),
    on_a_store("verify_mac", lambda shop: shop.key.verify_mac(shop.plain, shop.protected), algorithm="HMAC-SHA-256"),
    on_a_store("sign", lambda shop: shop.key.sign(shop.plain), algorithm="Ed25519"),
    on_a_store("verify", lambda shop: shop.key.verify(shop.plain, shop.protected), algorithm="Ed25519"),
    on_a_store("agree", lambda shop: shop.key.agree(shop.key.public_key(), CONTEXT), algorithm="X25519"),
    on_a_store("rotate", lambda shop: shop.key.rotate()),
    on_a_store("promote", lambda shop: shop.key.promote(2), prepare=_rotated),
    on_a_store("disable", lambda shop: shop.key.disable(1)),
    on_a_store("enable", lambda shop: shop.key.enable(1), prepare=lambda shop: shop.key.disable(1)),
    on_a_store("destroy", lambda shop: shop.key.destroy(1)),
    on_a_store("forbid_extraction", lambda shop: shop.key.forbid_extraction()),
    on_a_store("cleartext.export", lambda shop: cleartext.export(shop.key)),
]
