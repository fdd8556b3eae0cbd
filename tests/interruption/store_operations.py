"""The operations of the key store, as the interruption driver runs them.

Each case has a store of its own with a key that was imported, an opaque secret, and what both were in locked memory of
the test's. After each attempt the store is locked from another thread, opened again, and must do with its keys and
secrets what it says of them.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from securemem import KeyNotFoundError, KeyStore, Passphrase, Policy, SecureBytes
from securemem.crypto.argon2 import Cost
from securemem.exceptions import KeyPolicyError
from securemem.keystore import cleartext
from securemem.keystore.session import Session
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from securemem.keystore._algorithms import KeyAlgorithmName
    from tests.support.interruption import Attempt

CONTEXT = b"context"
LARGE = 70_000  # bytes: two chunks of a stream
COST = Cost(8, 1)
SESSION_WINDOWS = 2  # of XAES, at most


class HeldKey:
    """A key-encryption key for tests, which keeps the root key in a SecureBytes."""

    def __init__(self, kept: list[SecureBytes]) -> None:
        self.kept = kept  # a list that may have other secrets too

    def wrap(self, key: SecureBytes, _context: bytes) -> bytes:
        """Keep a copy; its place in the list stands for it."""
        self.kept.append(SecureBytes.copy_of(key))
        return b"%d" % len(self.kept)

    def unwrap(self, wrapped: bytes, _context: bytes) -> SecureBytes:
        """A copy of what was kept."""
        return SecureBytes.copy_of(self.kept[int(wrapped) - 1])


class Reader:
    """A raw source: gives what a SecureBytes or bytes has, from locked memory where it lies there."""

    def __init__(self, data: SecureBytes | bytes) -> None:
        self._data, self._at = data, 0

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer."""
        with memoryview(self._data) as view, view[self._at : self._at + len(buffer)] as part:
            buffer[: len(part)] = part
            self._at += len(part)
            return len(part)


class Writer:
    """A target that keeps all in a SecureBytes, which is large enough."""

    def __init__(self, data: SecureBytes) -> None:
        self.data, self.at = data, 0

    def write(self, data: Any) -> int:
        """Take all of it."""
        with self.data.reveal(writable=True) as view, view[self.at : self.at + len(data)] as part:
            part[:] = data
        self.at += len(data)
        return len(data)


class Shop:
    """A store with a key and an opaque secret, and what is known of them."""

    given: Any = None  # what the operation is given
    wrapping: Any = None  # a handle that wraps

    def __init__(self, folder: Path, algorithm: KeyAlgorithmName = "KC-XAES-256-GCM", **options: Any) -> None:
        self.folder = folder
        self.secrets: list[SecureBytes] = []  # the test's own
        self.kek = HeldKey(self.secrets)
        self.store = KeyStore(self.kek, **options)
        self.secret = self.own(SecureBytes.random(32))
        self.plain = self.own(SecureBytes.random(48))
        policy = Policy(extractable=True)
        self.key = self.store.import_key("key", algorithm, SecureBytes.copy_of(self.secret), policy)
        self.store.put("opaque", SecureBytes.copy_of(self.plain))
        self.protect, self.read = _USES.get(algorithm, _USES["KC-XAES-256-GCM"])
        self.protected = self.protect(self)
        if isinstance(self.protected, SecureBytes):
            self.own(self.protected)

    def own(self, secret: SecureBytes) -> SecureBytes:
        """Say that a secret is the test's, and no key of the store."""
        self.secrets.append(secret)
        return secret

    def consistent(self) -> None:
        """Unlock; every name does what the store says of it, or says why not."""
        if self.store.locked:
            self.store.unlock(self.kek)
        opaque = "renamed" if "renamed" in self.store else "opaque"
        assert (opaque in self.store) == _works(lambda: self.store.get(opaque) == self.plain, KeyNotFoundError)
        versions = self.key.versions
        states = {version.number: str(version.state) for version in versions}
        assert list(states.values()).count("primary") <= 1, states
        there = self.key.name in self.store
        readable = there and states[1] in {"primary", "active"}
        assert readable == _works(lambda: self.read(self, self.protected), KeyNotFoundError, KeyPolicyError), states
        usable = there and "primary" in states.values()
        assert usable == _works(lambda: self.read(self, self.protect(self)), KeyNotFoundError, KeyPolicyError), states
        for name in self.store:
            if name not in {self.key.name, opaque}:
                assert _works(partial(self._whole, name)), f"{name} is half made"

    def _whole(self, name: str) -> bool:
        handle = self.store[name]
        return [str(version.state) for version in handle.versions] == ["primary"]

    def case(self, operate: Callable[[], object], check: Callable[[Attempt], str | None] | None = None) -> Case:
        """The case of an operation."""
        return Case(
            operate,
            self.secrets,
            store=self.store,
            unlock=self.consistent,
            check=check or (lambda _attempt: None),
            watched=self.secret,
        )


def _works(use: Callable[[], object], *refusals: type[Exception]) -> bool:
    """Whether a use is right; False where it is refused in one of the ways that tell of a state."""
    try:
        found = use()
    except refusals:
        return False
    assert found in {None, True}, "another result"
    return True


_USES: dict[str, Any] = {
    "KC-XAES-256-GCM": (
        lambda shop: shop.key.encrypt(shop.plain, CONTEXT),
        lambda shop, box: shop.key.decrypt(box, CONTEXT) == shop.plain,
    ),
    "HMAC-SHA-256": (
        lambda shop: shop.key.mac(shop.plain),
        lambda shop, code: shop.key.verify_mac(shop.plain, code),
    ),
    "Ed25519": (
        lambda shop: shop.key.sign(shop.plain),
        lambda shop, signature: shop.key.verify(shop.plain, signature),
    ),
    "X25519": (
        lambda shop: shop.key.agree(shop.key.public_key(), CONTEXT),
        lambda shop, shared: shop.key.agree(shop.key.public_key(1), CONTEXT, version=1) == shared,
    ),
}


def _on_a_store(
    name: str,
    use: Callable[[Shop], object],
    *,
    algorithm: KeyAlgorithmName = "KC-XAES-256-GCM",
    prepare: Callable[[Shop], Any] | None = None,
    right: Callable[[Shop, Any], object] = lambda _shop, _result: True,
    **options: Any,
) -> Operation:
    """An operation on a store, what is prepared before it, and what a right result is."""

    def make(folder: Path) -> Case:
        shop: Any = Shop(folder, algorithm, **options)
        shop.given = prepare(shop) if prepare is not None else None

        def check(attempt: Attempt) -> str | None:
            return None if attempt.error is not None or right(shop, attempt.result) else "the result is wrong"

        case: Case = shop.case(lambda: use(shop), check)
        case.windows = lambda ended: _kept_open(shop.given) + _kept_open(ended.result)
        return case

    return Operation(f"KeyStore: {name}", make, watched=True)


def _kept_open(result: object) -> int:
    """A session keeps windows open while it lasts: those of its key, which it holds ready."""
    return SESSION_WINDOWS if isinstance(result, Session) and not result.ended else 0


def _given(size: int) -> Callable[[Shop], SecureBytes]:
    def prepare(shop: Shop) -> SecureBytes:
        return shop.own(SecureBytes.random(size))

    return prepare


def _same_again(shop: Any) -> SecureBytes:
    return shop.own(SecureBytes.copy_of(shop.plain))  # type: ignore[no-any-return]


def _decrypt_into(folder: Path) -> Case:
    shop = Shop(folder)
    out = shop.own(SecureBytes.zeros(48))
    case = shop.case(lambda: shop.key.decrypt_into(shop.protected, out, CONTEXT))
    case.destination, case.whole, case.watched = out, shop.plain, shop.plain
    return case


def _session(shop: Any) -> Any:
    return shop.key.session()


def _file(name: str, *, decrypts: bool) -> Operation:
    """A file is written beside its place: the target is there, and whole, or nothing is."""

    def make(folder: Path) -> Case:
        shop = Shop(folder)
        text = os.urandom(LARGE)
        plain, box, target = folder / "plain", folder / "box", folder / "target"
        plain.write_bytes(text)
        shop.key.encrypt_file(plain, box, CONTEXT)
        source, work = (box, shop.key.decrypt_file) if decrypts else (plain, shop.key.encrypt_file)

        def check(_attempt: Attempt) -> str | None:
            if not target.exists():
                return "it returned, and there is no file" if _attempt.error is None else None
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
    return Operation(f"KeyStore: {name}", make, refusals=(TypeError,), watched=True)


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
    return bool(shop.store.locked)


def _new_with_timer(_folder: Path) -> Case:
    secrets: list[SecureBytes] = []
    kek = HeldKey(secrets)

    def life() -> None:
        store = KeyStore(kek, idle_timeout=1000, absolute_timeout=2000)
        store.generate("key").encrypt(b"data")
        store.lock()

    return Case(life, secrets)


def _wrapped(shop: Any) -> Any:
    shop.wrapping = shop.store.generate("wrapping", policy=Policy(usages=frozenset({"wrap", "unwrap"})))
    return shop.wrapping.wrap(shop.key, CONTEXT)


def _derived_from(shop: Any) -> Any:
    return shop.store.generate("source", "HKDF-SHA-256")


def _noted(shop: Any) -> None:
    shop.store.set_details("key", notes=SecureBytes.random(20))


def _exported(shop: Any) -> None:
    shop.store.export_records(shop.folder / "records", shop.kek, ["opaque"])


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
    _on_a_store("generate", lambda shop: shop.store.generate("new")),
    _on_a_store("generate Ed25519", lambda shop: shop.store.generate("new", "Ed25519")),
    _on_a_store(
        "import_key",
        lambda shop: shop.store.import_key("new", "AES-256-GCM", shop.given),
        prepare=_given(32),
    ),
    _on_a_store(
        "derive", lambda shop: shop.store.derive("new", "AES-256-GCM", source=shop.given), prepare=_derived_from
    ),
    _on_a_store("wrap", lambda shop: shop.wrapping.wrap(shop.key, CONTEXT), prepare=_wrapped),
    _on_a_store(
        "unwrap",
        lambda shop: shop.store.unwrap("new", shop.given, source=shop.wrapping, context=CONTEXT),
        prepare=_wrapped,
    ),
    _on_a_store("put", lambda shop: shop.store.put("opaque", shop.given), prepare=_same_again),
    _on_a_store("get", lambda shop: shop.store.get("opaque"), right=lambda shop, found: found == shop.plain),
    _on_a_store(
        "put, former values kept", lambda shop: shop.store.put("opaque", shop.given, keep=2), prepare=_same_again
    ),
    _on_a_store("set_details", lambda shop: shop.store.set_details("opaque", notes=shop.given), prepare=_given(20)),
    _on_a_store("notes", lambda shop: shop.store.notes("key"), prepare=_noted),
    _on_a_store("find", lambda shop: shop.store.find("OPA"), right=lambda _shop, found: len(found) == 1),
    _on_a_store("rename a key", lambda shop: shop.store.rename("key", "other key"), prepare=_noted),
    _on_a_store("rename a secret", lambda shop: shop.store.rename("opaque", "renamed")),
    Operation("KeyStore: export_records", _export, refusals=(TypeError,), watched=True),  # as files above
    _on_a_store(
        "import_records",
        lambda shop: shop.store.import_records(shop.folder / "records", shop.kek, replace=True),
        prepare=_exported,
    ),
    _on_a_store("delete a key", lambda shop: shop.store.delete("key")),
    _on_a_store("delete a secret", lambda shop: shop.store.delete("opaque")),
    _on_a_store("clear", lambda shop: shop.store.clear()),
    _on_a_store("lock", _lock, right=_locked),
    _on_a_store("lock with a session", _lock, prepare=_session, right=_locked),
    Operation("KeyStore: unlock", _unlock, watched=True),
    _on_a_store("change_kek", lambda shop: shop.store.change_kek(shop.kek)),
    Operation("KeyStore: with timers", _new_with_timer),
    _on_a_store("encrypt", lambda shop: shop.key.encrypt(shop.plain, CONTEXT)),
    _on_a_store("encrypt with an idle timer", lambda shop: shop.key.encrypt(shop.plain, CONTEXT), idle_timeout=1000),
    _on_a_store("encrypt with an audit", lambda shop: shop.key.encrypt(shop.plain, CONTEXT), audit=lambda _event: None),
    _on_a_store(
        "encrypt_into",
        lambda shop: shop.key.encrypt_into(shop.plain, shop.given, CONTEXT),
        prepare=lambda shop: bytearray(48 + shop.key.overhead),
    ),
    _on_a_store(
        "decrypt",
        lambda shop: shop.key.decrypt(shop.protected, CONTEXT),
        right=lambda shop, found: found == shop.plain,
    ),
    Operation("KeyStore: decrypt_into", _decrypt_into, watched=True),
    _on_a_store(
        "rewrap", lambda shop: shop.key.rewrap(shop.protected, CONTEXT), prepare=lambda shop: shop.key.rotate()
    ),
    _on_a_store("session", _session),
    _on_a_store("session.encrypt", lambda shop: shop.given.encrypt(shop.plain, CONTEXT), prepare=_session),
    _on_a_store("session.decrypt", lambda shop: shop.given.decrypt(shop.protected, CONTEXT), prepare=_session),
    _on_a_store("session.end", lambda shop: shop.given.end(), prepare=_session),
    _stream(decrypts=False),
    _stream(decrypts=True),
    _file("encrypt_file", decrypts=False),
    _file("decrypt_file", decrypts=True),
    _on_a_store("mac", lambda shop: shop.key.mac(shop.plain), algorithm="HMAC-SHA-256"),
    _on_a_store("verify_mac", lambda shop: shop.key.verify_mac(shop.plain, shop.protected), algorithm="HMAC-SHA-256"),
    _on_a_store("sign", lambda shop: shop.key.sign(shop.plain), algorithm="Ed25519"),
    _on_a_store("verify", lambda shop: shop.key.verify(shop.plain, shop.protected), algorithm="Ed25519"),
    _on_a_store("agree", lambda shop: shop.key.agree(shop.key.public_key(), CONTEXT), algorithm="X25519"),
    _on_a_store("rotate", lambda shop: shop.key.rotate()),
    _on_a_store("promote", lambda shop: shop.key.promote(2), prepare=_rotated),
    _on_a_store("disable", lambda shop: shop.key.disable(1)),
    _on_a_store("enable", lambda shop: shop.key.enable(1), prepare=lambda shop: shop.key.disable(1)),
    _on_a_store("destroy", lambda shop: shop.key.destroy(1)),
    _on_a_store("forbid_extraction", lambda shop: shop.key.forbid_extraction()),
    _on_a_store("cleartext.export", lambda shop: cleartext.export(shop.key)),
]
