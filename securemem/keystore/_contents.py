"""What is behind the face of a store: its gate, root key, records and names, and the audit of all that happens to them.

A change is a transaction: new records first, then one swap of all that refers to them, then the old ones go. Whatever
interrupts it, the store is as before or as after.
"""

from __future__ import annotations

import os
import weakref

from securemem._binding.operations import operate
from securemem.exceptions import CapacityError, KeyNotFoundError, NoKeyEncryptionKeyError, VerificationError
from securemem.keystore import _entries, _search
from securemem.keystore._gate import Gate, apply
from securemem.keystore._operations import OPERATION_OF
from securemem.keystore._root_key import IDENTITY, WRAPPED_ROOT, RootKey, new_record
from securemem.keystore._stored import State, StoredKey, StoredSecret, Version
from securemem.keystore.audit import Event
from securemem.storage.memory import MemoryRecords

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Concatenate, ParamSpec, TypeVar

    from typing_extensions import Buffer

    from securemem._types import Scope, Tickets
    from securemem.arenas import Arena
    from securemem.keystore._boxes import Kept
    from securemem.keystore._stored import Facts, Use
    from securemem.keystore._timers import Timers
    from securemem.keystore.kek import KeyEncryptionKey
    from securemem.secure_bytes import SecureBytes
    from securemem.storage import Records

    P = ParamSpec("P")
    R = TypeVar("R")
    C = TypeVar("C", Version, Kept)

__all__ = ["Contents"]

_gates: weakref.WeakSet[Gate] = weakref.WeakSet()


class Contents:
    """One store's keys and secrets; raises what KeyStore says.

    entries: by their names. use: does an operation, see `Gate.use`. counts_in_file: whether blocks of messages and
    bytes are drawn from a file, which forked children read too.
    """

    counts_in_file = False

    __slots__ = ("__weakref__", "_audit", "_timers", "arena", "entries", "gate", "records", "root", "use")

    def __init__(
        self,
        scope: Scope,
        kek: KeyEncryptionKey | None,
        arena: Arena | None,
        timers: Timers,
        audit: Callable[[Event], None] | None,
        records: Records | None = None,
    ) -> None:
        if kek is None and timers.any:
            raise NoKeyEncryptionKeyError(
                "a store with a timer needs a key-encryption key: without one, its keys would be lost when it locks"
            )
        self.gate: Gate = Gate()
        scope.on_failure((self.gate.shut,))
        self.root: RootKey = RootKey(self.gate)
        self.records: Records = MemoryRecords() if records is None else records
        self.entries: dict[str, StoredKey | StoredSecret] = {}
        self.arena: Arena | None = arena
        self._audit = audit
        self._timers = timers
        self.use: Use = self.gate.use if audit is None else self._told_use
        self.gate.note_time(timers.idle is not None)
        self.gate.outlive_forks(not timers.any)  # their thread is not in a child
        _gates.add(self.gate)
        self._begin(kek)

    def _begin(self, kek: KeyEncryptionKey | None) -> None:
        self.gate.reopen(self.root.cell, self._first_root)
        wrapped = None if kek is None else self.gate.run(self.root.wrapped_by, kek)
        self.gate.change(self._keep_root, wrapped)

    def _first_root(self) -> SecureBytes:
        secret = self.root.generate(self.arena)
        self._timers.start(self)
        return secret

    def _keep_root(self, wrapped: bytes | None) -> None:
        written = {IDENTITY: self.root.identity + self.root.proof}
        if wrapped is not None:
            written[WRAPPED_ROOT] = wrapped
        self.commit(written, [(self.gate, "can_be_unlocked", wrapped is not None)])

    def alone(self, work: Callable[P, R], *args: P.args, **names: P.kwargs) -> R:
        """Do what changes records, inside the gate, one thread at a time."""
        return self.gate.change(work, *args, **names)

    def refresh(self) -> None:
        """Take up what other processes changed: nothing, where the records are this process's own."""

    def commit(self, written: Mapping[bytes, bytes | None], steps: Sequence[tuple[Any, ...]]) -> None:
        """Keep records, and do the steps that make them what the store goes by. Only under change()."""
        apply(*self.records.commit(written), *steps)

    # The audit

    def tell(self, operation: str, key: StoredKey, version: Version | None, outcome: str = "success") -> None:
        """Tell the audit of a use."""
        if self._audit is not None:
            facts = None if version is None or version.facts.number == 0 else version.facts
            key_id, number = ("", 0) if facts is None else (facts.key_id.hex(), facts.number)
            self._audit(Event(operation, key.name, key_id, number, outcome))

    def tell_of(self, operation: str, name: str = "", outcome: str = "success") -> None:
        """Tell the audit of a change."""
        if self._audit is not None:
            found = self.entries.get(name)
            if isinstance(found, StoredKey):
                self.tell(operation, found, found.primary, outcome)
            else:
                self._audit(Event(operation, name, "", 0, outcome))

    def _told_use(self, work: Callable[Concatenate[C, Any, P], R], cell: C, /, *args: P.args, **_: P.kwargs) -> R:
        """`Gate.use`, and the audit is told of it."""
        tell: Callable[..., R] = self._use_and_tell
        return operate(0, tell, work, cell, args)  # in no local of a kept traceback

    def _use_and_tell(
        self, _scope: Scope, work: Callable[..., Any], cell: Version | Kept, args: tuple[Any, ...]
    ) -> Any:
        version = cell if isinstance(cell, Version) else cell.version
        operation = OPERATION_OF[work].name
        try:
            result = self.gate.use(work, cell, *args)
        except BaseException as error:
            self.tell(operation, version.key, version, type(error).__name__)
            raise
        self.tell(operation, version.key, version)
        return result

    def use_any(
        self,
        work: Callable[[Version, Any, Buffer, Buffer], None],
        versions: Sequence[Version],
        data: Buffer,
        code: Buffer,
    ) -> None:
        """Check a code by one version after the other; VerificationError of the last where it is none of theirs."""
        *others, last = versions
        for version in others:
            try:
                self.gate.use(work, version, data, code)
            except VerificationError:
                continue
            except BaseException as error:
                self.tell(OPERATION_OF[work].name, version.key, version, type(error).__name__)
                raise
            self.tell(OPERATION_OF[work].name, version.key, version)
            return
        self.use(work, last, data, code)

    def change(self, operation: str, name: str, work: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        """Do what changes keys, inside the gate, one thread at a time; the audit is told of it."""
        told: Callable[..., R] = self._told
        return operate(0, told, operation, name, self.alone, (work, *args))

    def run(self, operation: str, name: str, work: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        """Do what changes nothing inside the gate; the audit is told of it."""
        told: Callable[..., R] = self._told
        return operate(0, told, operation, name, self.gate.run, (work, *args))  # in no local of a kept traceback

    def _told(self, _scope: Scope, operation: str, name: str, how: Callable[..., R], args: tuple[Any, ...]) -> R:
        try:
            result = how(*args)
        except BaseException as error:
            self.tell_of(operation, name, type(error).__name__)
            raise
        self.tell_of(operation, name)
        return result

    # Keys and secrets in clear

    def opened(self, version: Version) -> SecureBytes:
        """A version's key in clear, opened if it is not open. Only inside the gate."""
        secret: SecureBytes | None = version.value
        if secret is not None:
            return secret
        if self.gate.changes_here:  # a signal handler within a change
            return self.open(version)
        return self.gate.change(self.open, version)

    def open(self, version: Version) -> SecureBytes:
        """A version's key in clear. Only under change(), so that nobody takes it away meanwhile."""
        secret: SecureBytes | None = version.value
        if secret is not None:
            return secret
        key, facts = version.key, version.facts
        sealed = self.records.read(facts.record)
        if facts.state is State.DESTROYED or sealed is None:
            raise KeyNotFoundError(f"key {key.name!r} version {facts.number} was destroyed")
        return version.hold(self.with_room(self.root.unseal_key, key, facts, sealed, self.arena))

    def with_room(self, work: Callable[P, SecureBytes], *args: P.args, **names: P.kwargs) -> SecureBytes:
        """What the work makes; open keys are closed where there is no room for it."""
        try:
            return work(*args, **names)
        except CapacityError:
            self.gate.close_keys()
        return work(*args, **names)

    def keep_drawn(self, version: Version, facts: Facts, left: Tickets) -> None:
        """Write down a block of tickets before the first is taken. Only under change()."""
        facts = facts.__replace__(record=new_record(), protected=version.noted_bytes)
        self.commit(*self.redrawn(version, facts, left))

    def keep_reserved(self, version: Version, more: int, allowance: int) -> None:
        """Write down that so many bytes more are reserved, before the first is protected. Only under change()."""
        facts = version.facts.__replace__(record=new_record(), protected=version.facts.protected + more)
        written, steps = self.redrawn(version, facts)
        self.commit(written, [*steps, (version, "allowance", allowance), (version, "allowed_in", os.getpid())])

    def redrawn(
        self, version: Version, facts: Facts, left: Tickets | None = None
    ) -> tuple[dict[bytes, bytes | None], list[tuple[Any, ...]]]:
        """The records and steps by which a version has other facts, in another record, and these tickets or its own."""
        key, policy = version.key, version.key.policy.encoded()
        sealed = self.root.seal_key(key, facts, policy, self.open(version))
        everything = [facts if one is version else one.facts for one in key.versions]
        entry = self.root.seal_entry(key.record, _entries.of_key(key, policy, everything))
        written = {facts.record: sealed, key.record: entry, version.facts.record: None}
        tickets = [] if left is None else [(version, "tickets", left)]
        return written, [(version, "facts", facts), *tickets]

    def get(self, name: str, arena: Arena | None) -> SecureBytes:
        """A copy of an opaque secret. Only inside the gate."""
        while True:
            found = self.entries.get(name)
            if not isinstance(found, StoredSecret):
                hint = " it is a key, and can only be used" if found is not None else ""
                raise KeyNotFoundError(f"the store has no opaque secret {name!r}{':' if hint else ''}{hint}")
            sealed = self.records.read(found.value)
            if sealed is not None:
                return self.with_room(self.root.unseal_secret, found.record, found.value, sealed, arena or self.arena)
            if self.entries.get(name) is found:
                raise KeyNotFoundError(f"the record of the opaque secret {name!r} is gone")

    def search(self, wanted: re.Pattern[bytes]) -> list[bytes]:
        """The records of the entries that have it in their name, URL or a label. Only inside the gate."""
        return operate(0, _search.search, self.root, self._sealed_entries(), wanted)

    def everything(self) -> list[StoredKey | StoredSecret]:
        """All entries, in their order. Only inside the gate."""
        return list(self.entries.values())

    def _sealed_entries(self) -> Iterable[tuple[bytes, bytes]]:
        for entry in tuple(self.entries.values()):
            sealed = self.records.read(entry.record)
            if sealed is not None:
                yield entry.record, sealed

    def entries_at(self, records: Sequence[bytes]) -> list[StoredKey | StoredSecret]:
        """The entries that lie in these records. Only inside the gate."""
        wanted = set(records)
        return [one for one in tuple(self.entries.values()) if one.record in wanted]

    # Locking

    @property
    def locked(self) -> bool:
        """Whether there is no key in clear."""
        return self.gate.locked or (self.gate.is_open and not self.root.is_here)

    def lock(self, because: str = "by lock()") -> None:
        """Wait for the uses that go on in other threads, then wipe every key in clear."""
        if not self.gate.can_be_unlocked:
            raise NoKeyEncryptionKeyError(
                "the store has no key-encryption key: its keys would be lost; give it one by change_kek(), or clear()"
            )
        if self.gate.is_open:
            self.gate.because = because
        if self.gate.shut():
            self.tell_of("lock")

    def unlock(self, kek: KeyEncryptionKey) -> None:
        """Recover the root key; keys are opened when they are used."""
        wrapped = self.records.read(WRAPPED_ROOT)
        if wrapped is None:
            raise NoKeyEncryptionKeyError("the store has no key-encryption key, and nothing to unlock")
        operate(0, self._told, "unlock", "", self._unlock, (kek, wrapped))

    def _unlock(self, kek: KeyEncryptionKey, wrapped: bytes) -> None:
        self.gate.reopen(self.root.cell, self._recovered, kek.unwrap(wrapped, self.root.context))

    def _recovered(self, secret: SecureBytes) -> SecureBytes:
        own = self.root.recovered(secret, self.arena)
        if not self.gate.is_open:
            self._timers.start(self)
        return own

    def change_kek(self, kek: KeyEncryptionKey) -> None:
        """Wrap the root key by another key-encryption key; only that unlocks from then on."""
        operate(0, self._told, "change_kek", "", self._change_kek, (kek,))

    def _change_kek(self, kek: KeyEncryptionKey) -> None:
        self.alone(self._keep_root, self.gate.run(self.root.wrapped_by, kek))


def _after_fork() -> None:
    for gate in tuple(_gates):
        gate.settle()


os.register_at_fork(after_in_child=_after_fork)
