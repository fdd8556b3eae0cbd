"""The inside of a store: the root key, the keys sealed under it, those open now, and the gate that every use passes.

The gate is a list of the threads inside. A use enters its thread, and then looks whether the vault is locked; lock()
says that it is, and then waits until the others have left: so no use goes on behind its back. Appending to a list and
removing from it are single steps for all threads.
"""

from __future__ import annotations

import os
import time
import weakref
from contextlib import contextmanager
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Any, NoReturn

from securemem.exceptions import (
    CapacityError,
    KeyNotFoundError,
    NoKeyEncryptionKeyError,
    SecureMemError,
    StoreLockedError,
)
from securemem.keystore.audit import Event
from securemem.keystore.box import not_decrypted
from securemem.keystore.lock import Timers, boottime
from securemem.keystore.policy import BOUNDED
from securemem.keystore.sealing import Sealing
from securemem.keystore.versions import Entry, State, Version, operations
from securemem.keystore.work import discard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from securemem.arenas import Arena
    from securemem.keystore.lock import KeyEncryptionKey
    from securemem.secure_bytes import SecureBytes

    class Live(Protocol):
        """What holds a prepared cipher, and lets it go."""

        version: Version

        def end(self) -> None: ...


__all__ = ["Vault"]

_MOST_OPEN = 4096  # keys in clear at one time; the oldest is closed for the next
_PAUSE = 0.0005  # seconds between two looks whether the last use has ended

_vaults: weakref.WeakSet[Vault] = weakref.WeakSet()


class Vault:
    """One store's keys; raises what KeyStore says."""

    def __init__(
        self,
        kek: KeyEncryptionKey | None,
        arena: Arena | None,
        timers: Timers,
        audit: Callable[[Event], None] | None,
    ) -> None:
        if kek is None and timers.any:
            raise NoKeyEncryptionKeyError(
                "a store with a timer needs a key-encryption key: without one, its keys would be lost when it locks"
            )
        self.entries: dict[str, Entry | bytes] = {}  # an opaque secret is the identity of its record
        self.in_use: list[int] = []
        self.locked_because: str | None = None
        self.live: weakref.WeakSet[Live] = weakref.WeakSet()
        self.audit = audit
        self.arena = arena
        self._timers = timers
        self.notes_use = timers.idle
        self.is_quiet = self._may_be_quiet  # unlocked, and nobody wants to know of uses
        self.sealing = Sealing(arena)
        self._open: dict[Version, None] = {}
        self._changing = RLock()
        self._turning = RLock()  # of lock() and unlock(): one at a time
        self._wrapped = None if kek is None else self._wrap(kek)
        _vaults.add(self)
        timers.start(self)

    def _wrap(self, kek: KeyEncryptionKey) -> bytes:
        return kek.wrap(self.sealing.root.secret, self.sealing.context)

    @property
    def _may_be_quiet(self) -> bool:
        return self.audit is None and not self.notes_use

    # The gate

    def refuse(self) -> NoReturn:
        """Raise, as the vault is locked."""
        can = (
            "unlock() it with its key-encryption key"
            if self._wrapped
            else "it has no key-encryption key: make a new one"
        )
        raise StoreLockedError(f"the key store was locked {self.locked_because}: {can}")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The gate by itself."""
        thread = get_ident()
        self.in_use.append(thread)
        try:
            if self.locked_because is not None:
                self.refuse()
            yield
        finally:
            self.leave(thread)

    def leave(self, thread: int) -> None:
        """Out of the gate: the idle time begins."""
        if self.notes_use:
            self._timers.used = boottime()
        self.in_use.remove(thread)

    def _allowed(self, entry: Entry, operation: str, named: Version | None) -> Version:
        """The version, looked at while nobody changes the key; raises what tells why it may not."""
        with self._changing:
            version = entry.primary if named is None else named
            if version is None or operation not in version.allowed:
                entry.refuse(operation, version)
            return version

    def refuse_box(self, entry: Entry, operation: str) -> NoReturn:
        """Raise for what no version of the key made; what is wrong with the use itself comes first."""
        try:
            if self.locked_because is not None:
                self.refuse()
            if entry.gone or operation not in operations(entry.policy):
                entry.refuse(operation, None)
            raise not_decrypted()
        except SecureMemError as error:
            self.tell(operation, entry, None, type(error).__name__)
            raise

    def use(  # noqa: PLR0913, PLR0917 - on the path of every use: no object is made for the arguments
        self,
        entry: Entry,
        operation: str,
        named: Version | None,
        work: Callable[[Version, SecureBytes, Any, Any], Any],
        data: Any,
        extra: Any = None,
    ) -> Any:
        """Do one piece of work with a key, after checking its policy and state; the result of work.

        named: the version; None takes the primary one.
        """
        thread = get_ident()
        self.in_use.append(thread)
        version = entry.primary if named is None else named
        try:
            try:
                if self.locked_because is not None:
                    self.refuse()
                if version is None or operation not in version.allowed:
                    version = self._allowed(entry, operation, named)
                if operation in BOUNDED:
                    if version.watched:
                        version.watch(entry, memoryview(data).nbytes)
                    if next(version.tickets, None) is None:
                        version.exhausted(entry)
                secret = version.secret
                result = work(version, self.secret(entry, version) if secret is None else secret, data, extra)
            finally:
                if self.notes_use:
                    self._timers.used = boottime()
                self.in_use.remove(thread)
        except BaseException as error:
            self.tell(operation, entry, version, type(error).__name__)
            raise
        if self.audit is not None:
            self.tell(operation, entry, version)
        return result

    @contextmanager
    def changing(self, operation: str, name: str = "") -> Iterator[None]:
        """The gate for what changes keys; one thread at a time."""
        try:
            with self.inside(), self._changing:
                yield
        except BaseException as error:
            self.tell_of(operation, name, type(error).__name__)
            raise
        self.tell_of(operation, name)

    def tell(self, operation: str, entry: Entry, version: Version | None, outcome: str = "success") -> None:
        """Tell the audit of a use."""
        if self.audit is not None:
            key_id, number = ("", 0) if version is None else (version.key_id.hex(), version.number)
            self.audit(Event(operation, entry.name, key_id, number, outcome))

    def tell_of(self, operation: str, name: str = "", outcome: str = "success") -> None:
        """Tell the audit of a change."""
        if self.audit is not None:
            entry = self.entries.get(name)
            primary = entry.primary if isinstance(entry, Entry) else None
            key_id, number = ("", 0) if primary is None else (primary.key_id.hex(), primary.number)
            self.audit(Event(operation, name, key_id, number, outcome))

    @property
    def locked(self) -> bool:
        """Whether there is no root key in clear."""
        return self.locked_because is not None or not self.sealing.is_open

    def is_busy(self) -> bool:
        """Whether a use goes on now."""
        return bool(self.in_use)

    # Keys, sealed and open

    def secret(self, entry: Entry, version: Version) -> SecureBytes:
        """A version's key in clear, opened if it is not open. Only from inside the gate."""
        with self._changing:
            secret = version.secret
            if secret is None:
                if version.state is State.DESTROYED:
                    raise KeyNotFoundError(f"key {entry.name!r} version {version.number} was destroyed")
                secret = self._opened(lambda: self.sealing.key(entry, version, self.arena))
                while len(self._open) >= _MOST_OPEN:
                    self._close(next(iter(self._open)))
                self._open[version] = None
                version.secret = secret
            return secret

    def _opened(self, work: Callable[[], SecureBytes]) -> SecureBytes:
        """The secret, for which open keys are closed where there is no room."""
        try:
            return work()
        except CapacityError:
            for version in tuple(self._open):
                self._close(version)
            return work()

    def _close(self, version: Version) -> None:
        """Drop a key in clear; it is wiped at once, or when the last use of it has ended."""
        self._open.pop(version, None)
        version.secret = None

    def reseal(self, entry: Entry, change: Callable[[], None]) -> None:
        """Change what an entry's keys are bound to, and seal them anew. Only under changing()."""
        kept = [version for version in entry.versions if version.state is not State.DESTROYED]
        secrets = [self.secret(entry, version) for version in kept]
        change()
        for version, secret in zip(kept, secrets, strict=True):
            self.sealing.seal_key(entry, version, secret)

    def put(self, name: str, secret: SecureBytes) -> None:
        """Seal an opaque secret, in the place of one of that name. Only under changing()."""
        record = self.sealing.seal_secret(name, secret)
        former = self.entries.get(name)
        self.entries[name] = record
        if isinstance(former, bytes):
            self.sealing.forget(former)

    def get(self, name: str, record: bytes, arena: Arena | None) -> SecureBytes:
        """Open an opaque secret. Only under changing()."""
        return self._opened(lambda: self.sealing.secret(name, record, arena or self.arena))

    def forget(self, name: str) -> None:
        """Delete a key with all its versions, or an opaque secret."""
        found = self.entries.pop(name)
        if isinstance(found, bytes):
            self.sealing.forget(found)
            return
        found.gone = True
        for version in found.versions:
            if version.state is not State.DESTROYED:
                self.destroy(found, version)

    def destroy(self, entry: Entry, version: Version) -> None:
        """Take the key of a version away, in clear and sealed."""
        entry.retire(version, State.DESTROYED)
        self.end_live(version)
        self._wipe(version)
        self.sealing.forget(version.record)

    def _wipe(self, version: Version) -> None:
        secret = version.secret
        self._close(version)
        if secret is not None:
            discard(secret)

    def end_live(self, version: Version | None = None) -> None:
        """End the sessions and streams of a version, or all."""
        for one in tuple(self.live):
            if version is None or one.version is version:
                one.end()

    # Locking

    def lock(self, because: str = "by lock()") -> None:
        """Wait for the uses that go on in other threads, then wipe every key in clear."""
        if self._wrapped is None:
            raise NoKeyEncryptionKeyError(
                "the store has no key-encryption key: its keys would be lost; give it one by change_kek(), or clear()"
            )
        with self._turning:
            was_locked, me = self.locked_because is not None, get_ident()
            if not was_locked:
                self.locked_because = because
                self.is_quiet = False
            while any(thread != me for thread in tuple(self.in_use)):
                time.sleep(_PAUSE)
            self._wipe_all()
            self._timers.stop()
        if not was_locked:
            self.tell_of("lock")

    def _wipe_all(self) -> None:
        with self._changing:
            self.end_live()
            for version in tuple(self._open):
                self._wipe(version)
            self.sealing.close()

    def unlock(self, kek: KeyEncryptionKey) -> None:
        """Recover the root key; keys are opened when they are used."""
        if self._wrapped is None:
            raise NoKeyEncryptionKeyError("the store has no key-encryption key, and nothing to unlock")
        try:
            secret = kek.unwrap(self._wrapped, self.sealing.context)
            self._open_root(secret)
        except BaseException as error:
            self.tell_of("unlock", outcome=type(error).__name__)
            raise
        self.tell_of("unlock")

    def _open_root(self, secret: SecureBytes) -> None:
        with self._turning:
            if self.locked:
                self._wipe_all()
            self.sealing.open(secret, self.arena)
            self.locked_because = None
            self.is_quiet = self._may_be_quiet
            self._timers.start(self)

    def change_kek(self, kek: KeyEncryptionKey) -> None:
        """Wrap the root key by another key-encryption key."""
        self._wrapped = self._wrap(kek)

    def clear(self) -> None:
        """Delete every key and secret."""
        with self._changing:
            for name in tuple(self.entries):
                self.forget(name)

    def after_fork(self) -> None:
        """In a forked child: the keys stayed in the parent, and so did the threads that were inside."""
        self._changing, self._turning = RLock(), RLock()
        self.in_use = []
        self.sealing.leave()
        for version in tuple(self._open):
            self._close(version)
        for one in tuple(self.live):
            one.end()
        self._timers.forget()
        self.is_quiet = False
        self.locked_because = "by a fork, and its keys stayed in the parent process"


def _after_fork() -> None:
    for vault in tuple(_vaults):
        vault.after_fork()


os.register_at_fork(after_in_child=_after_fork)
