"""What is behind the face of a store in a file: changes are transactions of the file, and other processes' are seen."""

from __future__ import annotations

from securemem._binding.operations import operate
from securemem.crypto.aead import Key
from securemem.exceptions import DecryptionError, StoreLockedError, WrongKeyEncryptionKeyError
from securemem.keystore import _entries, _index, _reloading, _whole, _wraps
from securemem.keystore._book import Book, check_pinned, first_header, stamp
from securemem.keystore._contents import Contents
from securemem.keystore._gate import apply
from securemem.keystore._names import Names
from securemem.keystore._root_key import GENERATION, IDENTITY, WRAPPED_ROOT, RootKey
from securemem.keystore._stored import StoredKey, StoredSecret, Version
from securemem.keystore._timers import Timers
from securemem.secure_bytes import SecureBytes
from securemem.storage._sqlite_errors import damaged, told
from securemem.storage.sqlite import SqliteFile, check_new

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Concatenate, ParamSpec, TypeVar

    from typing_extensions import Buffer

    from securemem._types import Scope
    from securemem.arenas import Arena
    from securemem.keystore._book import State
    from securemem.keystore._gate import Cell
    from securemem.keystore.audit import Event
    from securemem.keystore.kek import KeyEncryptionKey, Rewrapping

    P = ParamSpec("P")
    R = TypeVar("R")
    C = TypeVar("C", bound=Cell)
    Entry = StoredKey | StoredSecret

__all__ = ["DurableContents", "create"]


def create(path: str, kek: KeyEncryptionKey, arena: Arena | None, page: int | None = None) -> SecureBytes:
    """Make the file of a new store, with a root key wrapped by one key-encryption key, and nothing else; that key."""
    return operate(0, _create_in_memory, path, kek, arena, page)


def _create_in_memory(
    scope: Scope, path: str, kek: KeyEncryptionKey, arena: Arena | None, page: int | None
) -> SecureBytes:
    contents = Contents(scope, None, arena, Timers(None, None), None)
    scope.at_end((contents.gate.shut,))
    return contents.gate.run(_create, contents, path, kek, page)


def _create(contents: Contents, path: str, kek: KeyEncryptionKey, page: int | None) -> SecureBytes:
    root, first = contents.root, (1).to_bytes(GENERATION, "big")
    check_new(path)
    records = {
        IDENTITY: first + root.identity + root.proof,
        WRAPPED_ROOT: first + _wraps.encoded("first", root.wrapped_by(kek)),
    }
    header = first_header(root.key(), root.identity, records)
    told(path, operate, 0, SqliteFile.create, path, header, records, page)
    return SecureBytes.copy_of(root.key().secret, arena=contents.arena)


class DurableContents(Contents):
    """One store's keys and secrets, sealed in a file; raises what KeyStore says.

    book: its records. stamps: of the records of the entries that were read, as they were
    then.
    """

    __slots__ = ("_at_least", "_file", "book", "stamps")
    counts_in_file = True

    def __init__(
        self,
        scope: Scope,
        path: str,
        kek: KeyEncryptionKey,
        arena: Arena | None,
        timers: Timers,
        audit: Callable[[Event], None] | None,
        at_least: int,
    ) -> None:
        self.book: Book
        self.stamps: dict[bytes, bytes] = {}
        self._at_least: int = at_least
        self._file = SqliteFile(path)
        self._file.open(scope)
        super().__init__(scope, kek, arena, timers, audit, None)

    def _begin(self, kek: KeyEncryptionKey | None) -> None:
        assert kek is not None  # noqa: S101 - a store in a file has one
        self.book = Book(self._file, self.root, self.refresh)
        self.records = self.book
        self.entries = Names(self._find, self._list_all, self._count, self.refresh)
        self.use = self._fresh_use
        self.gate.can_be_unlocked = True
        operate(0, self._unlock_file, kek)

    # Unlocking: the right root key first, then every record is looked at, then uses are let in

    def unlock(self, kek: KeyEncryptionKey) -> None:
        """Recover the root key, and look at the whole file."""
        operate(0, self._told, "unlock", "", operate, (0, self._unlock_file, kek))

    def _unlock_file(self, scope: Scope, kek: KeyEncryptionKey) -> None:
        self.book.file.open(scope)
        if not self.gate.is_open:
            scope.on_failure((self.gate.shut,))
        secret = self._unwrapped(kek)
        found: list[State] = []
        self.gate.reopen(self.root.cell, self._recovered_and_checked, secret, found)
        self.gate.change(self._settle, found[0])

    def _settle(self, state: State) -> None:
        self.book.state = state
        self._in_transaction(self._take_up)

    def _unwrapped(self, kek: KeyEncryptionKey) -> SecureBytes:
        file = self.book.file
        proof = file.read(IDENTITY)
        wraps = _wraps.all_in(file)
        if proof is None or len(proof) <= GENERATION + 16 or not wraps:
            _wraps.give_up(kek)
            raise damaged(file.path, "the records of its root key are gone")
        identity = proof[GENERATION : GENERATION + 16]
        if self.book.state is not None and identity != self.root.identity:
            _wraps.give_up(kek)
            raise damaged(file.path, "another store was put in its place")
        self.root.name(identity)
        self.root.proof = proof[GENERATION + 16 :]
        return _wraps.unwrapped(kek, wraps, self.root.context, file.path)

    def _recovered_and_checked(self, secret: SecureBytes, found: list[State]) -> SecureBytes:
        try:
            own = self._recovered(secret)
        except DecryptionError:
            own = None
        if own is None:
            raise WrongKeyEncryptionKeyError("what the key-encryption key unwraps is not the root key of the store")
        try:
            found.append(self._in_transaction(self.book.take_stock, Key(own)))
            check_pinned(self.book.file.path, found[0], self._at_least)
        except BaseException:
            apply((own,))
            raise
        return own

    def _in_transaction(self, work: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        return operate(0, self._seeing, work, args)

    def _seeing(self, scope: Scope, work: Callable[..., R], args: tuple[Any, ...]) -> R:
        self.book.file.begin(scope, write=False)
        result = work(*args)
        self.book.file.rollback()
        return result

    # What other processes changed

    def refresh(self) -> None:
        """Take up what other processes changed."""
        if not self.gate.is_open or self.book.state is None:
            return
        here = self.gate.changes_here
        if (here and self.book.file.in_transaction) or not self.book.moved():
            return
        if here:
            self._catch_up()
        else:
            self.gate.change(self._catch_up)

    def _catch_up(self) -> None:
        self._in_transaction(self._take_up)

    def _take_up(self) -> None:
        """Go by the state that the transaction sees: entries are read again where their records changed."""
        state, names = self._news(), self.names
        steps: list[tuple[Any, ...]] = [(self.book, "state", state)]
        for entry in names.loaded():
            if self.stamps.get(entry.record) != state.known.get(entry.record):
                steps += self._reloaded(entry, state)
        apply(*steps)

    def _reloaded(self, entry: Entry, state: State) -> list[tuple[Any, ...]]:
        former, record = entry.record, entry.record
        if record not in state.known:
            record = self.root.record_named(entry.name)  # another one under a new root key
        sealed = self.book.file.current(record)
        steps: list[tuple[Any, ...]] = [] if record == former else [(self.stamps, former)]
        if sealed is None or record not in state.known:
            return [*_reloading.steps(self, entry, None, record), *steps, (self.stamps, record)]
        if stamp(sealed) != state.known[record]:
            raise damaged(self.book.file.path, "a record is not the one that was written last")
        read = self._read_entry(record, sealed)
        return [*_reloading.steps(self, entry, read, record), *steps, (self.stamps, record, stamp(sealed))]

    def _news(self) -> State:
        number, _ = self.book.file.current_header()
        if number > self.book.seen.number:
            self.gate.because = "because another process gave it a new root key"
            self.gate.shut()  # wiped when this thread has left the gate
            raise StoreLockedError(
                "another process gave the key store a new root key: unlock() it with its key-encryption key"
            )
        return self.book.news(self.root.key())

    @property
    def names(self) -> Names:
        """The entries that were read."""
        assert isinstance(self.entries, Names)  # noqa: S101 - made here
        return self.entries

    # Entries

    def _read_entry(self, record: bytes, sealed: bytes) -> _entries.KeyEntry | StoredSecret:
        return _entries.read(operate(0, self._entry, record, sealed), record)

    def _entry(self, scope: Scope, record: bytes, sealed: bytes) -> bytes:
        return bytes(scope.read(self.root.unseal_entry(record, sealed), "an entry"))  # wiped with its view

    def _find(self, name: str) -> Entry | None:
        if self.book.state is None or not self.gate.is_open:
            return None
        return self.gate.run(self._load_named, name)

    def _load_named(self, name: str) -> Entry | None:
        record = self.root.record_named(name)
        found = self._load(record)
        if found is not None and found.name != name:
            raise damaged(self.book.file.path, "an entry has another name")
        return found

    def _load(self, record: bytes) -> Entry | None:
        sealed = self.book.read(record)
        if sealed is None:
            return None
        read = self._read_entry(record, sealed)
        known = dict.get(self.entries, read.name)
        if known is not None and known.record == record:  # another thread was faster
            return known
        entry = read if isinstance(read, StoredSecret) else _reloading.made(self, read, record)
        apply((self.stamps, record, stamp(sealed)), (self.entries, read.name, entry))
        return entry

    def _count(self) -> int:
        self.refresh()
        return len(self.book.names())

    def _list_all(self) -> list[str]:
        if not self.gate.is_open:
            return sorted(dict.keys(self.entries))
        self.refresh()
        return sorted(self.gate.run(self._load_all))

    def _load_all(self) -> list[str]:
        return self._by_index(_index.names)

    def _by_index(self, work: Callable[Concatenate[Book, P], R], *args: P.args, **names: P.kwargs) -> R:
        while True:
            header = self.book.seen.header
            found = work(self.book, *args, **names)
            if self.book.seen.header is header:  # or another process changed some meanwhile
                return found

    def everything(self) -> list[Entry]:
        """All entries in the order of their names, by their records and not by the index."""
        found = self.entries_at(self.book.names())
        return sorted(found, key=lambda one: one.name)

    def search(self, wanted: re.Pattern[bytes]) -> list[bytes]:
        """The records of the entries that have it in their name, URL or a label, by the index."""
        return self._by_index(_index.search, wanted)

    def entries_at(self, records: Sequence[bytes]) -> list[Entry]:
        """The entries that lie in these records."""
        loaded = {one.record: one for one in self.names.loaded()}
        found = (loaded.get(one) or self._load(one) for one in records)
        return [one for one in found if one is not None]

    # Uses and changes

    def _fresh_use(self, work: Callable[Concatenate[C, Any, P], R], cell: C, /, *args: P.args, **_: P.kwargs) -> R:
        """`Gate.use`, of the version that is the primary one now where it was to be the primary one."""
        follows = cell.key if isinstance(cell, Version) and cell is cell.key.primary else None
        self.refresh()
        now: Any = cell if follows is None else follows.primary
        use: Any = self.gate.use if self._audit is None else self._told_use
        return use(work, now, *args)  # type: ignore[no-any-return]  # in no local of a kept traceback

    def use_any(
        self,
        work: Callable[[Version, Any, Buffer, Buffer], None],
        versions: Sequence[Version],
        data: Buffer,
        code: Buffer,
    ) -> None:
        """Check a code by one version after the other; VerificationError of the last where it is none of theirs."""
        self.refresh()
        super().use_any(work, versions, data, code)

    def alone(self, work: Callable[P, R], *args: P.args, **_: P.kwargs) -> R:
        """Do what changes records, inside the gate, one thread and one process at a time."""
        result: R = self.gate.change(self._transact, work, args)
        return result

    def _transact(self, work: Callable[..., R], args: tuple[Any, ...]) -> R:
        return operate(0, self._changing, work, args)

    def _changing(self, scope: Scope, work: Callable[..., R], args: tuple[Any, ...]) -> R:
        self.book.file.begin(scope, write=True)
        if self.book.moved():
            self._take_up()
        self.root.generation, self.root.entries = self.book.seen.generation + 1, {}
        result = work(*args)
        self.book.file.rollback()
        return result

    def commit(self, written: Mapping[bytes, bytes | None], steps: Sequence[tuple[Any, ...]]) -> None:
        """Write records; what was read of names stays as new as they are."""
        stamps, entries = self.stamps, self.root.entries
        assert entries is not None  # noqa: S101 - _transact() made it
        written = {**written, **_index.changes(self.book, written, entries)}
        entries.clear()
        more = [(stamps, one) if new is None else (stamps, one, stamp(new)) for one, new in written.items()]
        super().commit(written, [*steps, *more])

    def change_kek(self, kek: KeyEncryptionKey) -> None:
        """Wrap the root key by another key-encryption key; only that unlocks from then on."""
        operate(0, self._told, "change_kek", "", self._change_kek, (kek,))

    def _change_kek(self, kek: KeyEncryptionKey) -> None:
        wrapped = self.gate.run(_wraps.wrapped_by, self, kek)
        self.alone(_wraps.replace_all, self, "first", wrapped)

    def add_kek(self, kek: KeyEncryptionKey, label: str) -> None:
        """Wrap the root key by one more key-encryption key."""
        _wraps.check_label(label)
        operate(0, self._told, "add_kek", label, self._add_kek, (kek, label))

    def _add_kek(self, kek: KeyEncryptionKey, label: str) -> None:
        wrapped = self.gate.run(_wraps.wrapped_by, self, kek)
        self.alone(_wraps.add, self, label, wrapped)

    def rewrap_kek(self, kek: Rewrapping, label: str) -> None:
        """Let a service seal anew what it sealed for the label."""
        operate(0, self._told, "rewrap_kek", label, self._rewrap_kek, (kek, label))

    def _rewrap_kek(self, kek: Rewrapping, label: str) -> None:
        old = self.gate.run(_wraps.wrapped_for, self, label)
        new = kek.rewrap(old)
        self.alone(_wraps.replace, self, label, old, new)

    def remove_kek(self, label: str) -> None:
        """Forget the root key as wrapped by one of them."""
        operate(0, self._told, "remove_kek", label, self.alone, (_wraps.remove, self, label))

    def rotate_root(self, kek: KeyEncryptionKey) -> None:
        """Seal all anew under a new root key, wrapped by one key-encryption key."""
        operate(0, self._told, "rotate_root", "", self._rotate_root, (kek,))

    def _rotate_root(self, kek: KeyEncryptionKey) -> None:
        new = RootKey(self.gate)
        new.name(self.root.identity)
        try:
            self.gate.run(new.cell.hold, self.gate.run(new.generate, self.arena))
            wrapped = self.gate.run(new.wrapped_by, kek)
            self.alone(_whole.reseal, self, new, wrapped)
        finally:
            if self.root is not new:
                apply((new.cell,))

    # The end

    def close(self) -> None:
        """Wipe every key in clear, and close the file."""
        if self.gate.is_open and self.book.file.is_open:
            self.give_back()
        self.lock("by close()")
        operate(0, self.book.file.close)

    def give_back(self) -> None:
        """Write down that the messages which were reserved and not used can be used."""
        used = [one for one in self.names.loaded() if isinstance(one, StoredKey) and _reloading.has_left(one)]
        if used:
            self.alone(_reloading.give_back, self, used)
