"""A key store, and what is known of it, as the interruption driver's operations use it.

Each case has a store of its own with a key that was imported, an opaque secret, and what both were in locked memory of
the test's. After each attempt the store is locked from another thread, opened again, and must do with its keys and
secrets what it says of them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from securemem import KeyNotFoundError, KeyStore, Policy, SecureBytes
from securemem.crypto import wrap
from securemem.exceptions import KeyPolicyError
from securemem.keystore.session import Session
from tests.support.interruption import Case, Operation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from securemem.keystore._algorithms import KeyAlgorithmName
    from tests.support.interruption import Attempt

CONTEXT = b"context"
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


class Device:
    """A key-encryption key: AES-KW, as a device would do it."""

    def __init__(self, kept: list[SecureBytes]) -> None:
        self.secret = SecureBytes.random(32)
        kept.append(self.secret)

    def wrap(self, key: SecureBytes, _context: bytes) -> bytes:
        """Encrypt."""
        return wrap.wrap(self.secret, key)

    def unwrap(self, wrapped: bytes, _context: bytes) -> SecureBytes:
        """Decrypt."""
        return wrap.unwrap(self.secret, wrapped)


class _IsPanic(type):
    def __instancecheck__(cls, error: object) -> bool:
        return type(error).__name__ == "PanicException"


class Panic(BaseException, metaclass=_IsPanic):
    """What cryptography's Rust raises where it is interrupted; its class can be imported from nowhere."""


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

    NAME = "KeyStore"
    given: Any = None  # what the operation is given
    wrapping: Any = None  # a handle that wraps

    def __init__(self, folder: Path, algorithm: KeyAlgorithmName = "KC-XAES-256-GCM", **options: Any) -> None:
        self.folder = folder
        self.secrets: list[SecureBytes] = []  # the test's own
        self.kek: Any = HeldKey(self.secrets)
        self.store = self.made(**options)
        self.secret = self.own(SecureBytes.random(32))
        self.plain = self.own(SecureBytes.random(48))
        policy = Policy(extractable=True)
        self.key = self.store.import_key("key", algorithm, SecureBytes.copy_of(self.secret), policy)
        self.store.put("opaque", SecureBytes.copy_of(self.plain))
        self.protect, self.read = _USES.get(algorithm, _USES["KC-XAES-256-GCM"])
        self.protected = self.protect(self)
        if isinstance(self.protected, SecureBytes):
            self.own(self.protected)

    def made(self, **options: Any) -> KeyStore:
        """The store itself."""
        return KeyStore(self.kek, **options)

    def own(self, secret: SecureBytes) -> SecureBytes:
        """Say that a secret is the test's, and no key of the store."""
        self.secrets.append(secret)
        return secret

    def consistent(self) -> None:
        """Unlock; every name does what the store says of it, or says why not."""
        if self.store.locked:
            self.store.unlock(self.kek)
        opaque = "renamed" if "renamed" in self.store else "opaque"
        assert (opaque in self.store) == works(lambda: self.store.get(opaque) == self.plain, KeyNotFoundError)
        versions = self.key.versions
        states = {version.number: str(version.state) for version in versions}
        assert list(states.values()).count("primary") <= 1, states
        there = self.key.name in self.store
        readable = there and states[1] in {"primary", "active"}
        assert readable == works(lambda: self.read(self, self.protected), KeyNotFoundError, KeyPolicyError), states
        usable = there and "primary" in states.values()
        assert usable == works(lambda: self.read(self, self.protect(self)), KeyNotFoundError, KeyPolicyError), states
        for name in self.store:
            if name not in {self.key.name, opaque}:
                assert works(partial(self._whole, name)), f"{name} is half made"

    def _whole(self, name: str) -> bool:
        if name == "new secret":
            return len(self.store.get(name)) > 0
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


def works(use: Callable[[], object], *refusals: type[Exception]) -> bool:
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


def on_a_store(
    name: str,
    use: Callable[[Shop], object],
    *,
    algorithm: KeyAlgorithmName = "KC-XAES-256-GCM",
    prepare: Callable[[Any], Any] | None = None,
    right: Callable[[Any, Any], object] = lambda _shop, _result: True,
    shop_type: type[Shop] = Shop,
    least: int = 1,
    converts: tuple[type[BaseException], ...] = (Panic,),
    refusals: tuple[type[BaseException], ...] = (),
    **options: Any,
) -> Operation:
    """An operation on a store, what is prepared before it, and what a right result is."""

    def make(folder: Path) -> Case:
        shop: Any = shop_type(folder, algorithm, **options)
        shop.given = prepare(shop) if prepare is not None else None

        def check(attempt: Attempt) -> str | None:
            return None if attempt.error is not None or right(shop, attempt.result) else "the result is wrong"

        case: Case = shop.case(lambda: use(shop), check)
        case.windows = lambda ended: _kept_open(shop.given) + _kept_open(ended.result)
        case.before_scan = lambda: _end(shop)
        return case

    return Operation(f"{shop_type.NAME}: {name}", make, converts, refusals, least=least, watched=True)


def _end(shop: Shop) -> None:
    """What a program does with a session that was interrupted: it ends it, or its store.

    While it lasts, its key is expanded in ordinary memory, as documented. Afterwards nothing of it may be left there,
    though the exception is still held.
    """
    if isinstance(shop.given, Session) and not shop.store.locked:
        shop.given.end()


def _kept_open(result: object) -> int:
    """A session keeps windows open while it lasts: those of its key, which it holds ready."""
    return SESSION_WINDOWS if isinstance(result, Session) and not result.ended else 0
