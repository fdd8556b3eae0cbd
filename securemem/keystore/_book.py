"""Which records a store in a file has, so that none can be changed, taken away, put back or added without its root key.

The set of the records is authenticated: see docs/reference/store-format.md for the construction and its argument.
"""

from __future__ import annotations

import hashlib
import struct

from securemem.crypto import kdf
from securemem.crypto._set_hash import MODULUS, set_sum
from securemem.exceptions import DecryptionError, SizeError, StoreBusyError, StoreTamperedError
from securemem.keystore._root_key import GENERATION, IDENTITY, RECORD, is_of_name
from securemem.storage._sqlite_errors import damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from securemem.crypto.aead import Key
    from securemem.keystore._root_key import RootKey
    from securemem.secure_bytes import SecureBytes
    from securemem.storage.sqlite import SqliteFile

__all__ = ["Book", "Header", "State", "check_pinned", "first_header", "stamp"]

_HEADER = struct.Struct(">QQ32sB")  # generation, how many records, their tag, whether it is a backup
_SIZE = 32


class Header:
    """What the sealed header says. tag: of the set of records. is_copy: a backup made it."""

    __slots__ = ("count", "generation", "is_copy", "tag")

    def __init__(self, generation: int, count: int, tag: int, is_copy: bool) -> None:
        self.generation: int = generation
        self.count: int = count
        self.tag: int = tag
        self.is_copy: bool = is_copy

    def sealed(self, key: Key, identity: bytes, number: int) -> bytes:
        """The header under the root key of that number."""
        plain = bytearray(_HEADER.pack(self.generation, self.count, self.tag.to_bytes(_SIZE, "big"), self.is_copy))
        return key.encrypt(plain, _binding(identity, number))

    @classmethod
    def unsealed(cls, key: Key, identity: bytes, number: int, sealed: bytes) -> Header:
        """The header in clear; DecryptionError for another key, store or number, and for what was changed."""
        plain = bytearray(_HEADER.size)
        try:
            key.decrypt_into(sealed, plain, _binding(identity, number))
        except SizeError:
            raise DecryptionError("the header has another size") from None
        generation, count, tag, is_copy = _HEADER.unpack(plain)
        return cls(generation, count, int.from_bytes(tag, "big"), bool(is_copy))


def _binding(identity: bytes, number: int) -> bytes:
    return b"securemem header 1" + identity + number.to_bytes(8, "big")


def stamp(sealed: bytes) -> bytes:
    """What is remembered of a record: the generation that wrote it, and the hash of all of it."""
    return sealed[:GENERATION] + hashlib.sha256(sealed).digest()


def _set_key(root: SecureBytes, identity: bytes) -> SecureBytes:
    return kdf.hkdf_expand(root, _SIZE, info=b"securemem set 1" + identity)


def _sum(root: SecureBytes, identity: bytes, *sets: Iterator[bytes]) -> list[int]:
    key = _set_key(root, identity)
    try:
        return [set_sum(key, members) for members in sets]
    finally:
        key.wipe()


def first_header(root: Key, identity: bytes, records: Mapping[bytes, bytes]) -> bytes:
    """The sealed header of a new store with these records."""
    (tag,) = _sum(root.secret, identity, (one + stamp(sealed) for one, sealed in records.items()))
    return Header(1, len(records), tag, is_copy=False).sealed(root, identity, 1)


class State:
    """The store as it was when it was last looked at and found authentic.

    number: how often the root key was changed. header: sealed. known: the stamp of each record, by its identity.
    """

    __slots__ = ("generation", "header", "is_copy", "known", "number")

    def __init__(self, number: int, header: bytes, found: Header, known: dict[bytes, bytes]) -> None:
        self.number: int = number
        self.header: bytes = header
        self.generation: int = found.generation
        self.is_copy: bool = found.is_copy
        self.known: dict[bytes, bytes] = known


class Book:
    """The records of a store's file, each only as the authenticated set has it. See `Records`.

    state: None until the file was found authentic. catch_up: called where the file is newer than the state.
    """

    __slots__ = ("_catch_up", "file", "root", "state")

    def __init__(self, file: SqliteFile, root: RootKey, catch_up: Callable[[], None]) -> None:
        self.file: SqliteFile = file
        self.state: State | None = None
        self.root: RootKey = root
        self._catch_up = catch_up

    @property
    def seen(self) -> State:
        """The state; only when there is one."""
        assert self.state is not None  # noqa: S101 - a store is used when it was opened
        return self.state

    # Records

    def __len__(self) -> int:
        """How many records there are."""
        return len(self.seen.known)

    def __iter__(self) -> Iterator[bytes]:
        """The identities, as they are now."""
        return iter(tuple(self.seen.known))

    def names(self) -> list[bytes]:
        """The identities of the records that say something of a name."""
        return [one for one in tuple(self.seen.known) if is_of_name(one)]

    def wraps(self) -> list[bytes]:
        """The identities of the records that hold the root key, wrapped."""
        return sorted(one for one in tuple(self.seen.known) if not any(one[: RECORD - 1]) and one != IDENTITY)

    def read(self, identity: bytes) -> bytes | None:
        """The record, None where there is none. Raises StoreTamperedError where the file has another."""
        while True:
            state = self.seen
            sealed, expected = self.file.read(identity), state.known.get(identity)
            if sealed is None and expected is None:
                return None
            if sealed is not None and expected == stamp(sealed):
                return sealed
            if self.seen is state and not self.moved():
                raise damaged(self.file.path, "a record is not the one that was written last")
            if self.file.in_transaction:
                raise StoreBusyError("the key store is being changed by this thread: use it after that call")
            self._catch_up()
            if self.seen is state:  # what single reads see is not what transactions see
                raise damaged(self.file.path, "it was replaced in a way that SQLite does not notice")

    def moved(self) -> bool:
        """Whether the file has another header than the state."""
        state = self.seen
        return self.file.header() != (state.number, state.header)

    # Changes

    def commit(
        self, written: Mapping[bytes, bytes | None], *, forget_copying: bool = False
    ) -> tuple[tuple[Any, ...], ...]:
        """Write records, and the header that has them; only in a transaction whose state is the seen one.

        forget_copying: the store is a backup no more.
        """
        state, root, identity = self.seen, self.root.key(), self.root.identity
        former = Header.unsealed(root, identity, state.number, state.header)
        known, stamps = state.known, {one: None if new is None else stamp(new) for one, new in written.items()}
        gone, come = _sum(
            root.secret,
            identity,
            (one + known[one] for one in written if one in known),
            (one + new for one, new in stamps.items() if new is not None),
        )
        count = former.count - sum(one in known for one in written) + sum(new is not None for new in stamps.values())
        is_copy = former.is_copy and not forget_copying
        header = Header(former.generation + 1, count, (former.tag - gone + come) % MODULUS, is_copy)
        sealed = header.sealed(root, identity, state.number)
        self.file.write(header.generation, state.number, sealed, written)
        steps: list[tuple[Any, ...]] = [(state, "header", sealed), (state, "generation", header.generation)]
        steps += [(known, one) if new is None else (known, one, new) for one, new in stamps.items()]
        return (*steps, (state, "is_copy", is_copy))

    def replace(self, root: Key, records: Mapping[bytes, bytes]) -> State:
        """Write all records anew, under a new root key, in a transaction; the state that there is then."""
        state, identity, known = self.seen, self.root.identity, {one: stamp(new) for one, new in records.items()}
        (tag,) = _sum(root.secret, identity, (one + new for one, new in known.items()))
        header = Header(state.generation + 1, len(known), tag, is_copy=False)
        number = state.number + 1
        sealed = header.sealed(root, identity, number)
        self.file.write(header.generation, number, sealed, records, anew=True)
        return State(number, sealed, header, known)

    # Taking up what is in the file; in a transaction

    def take_stock(self, root: Key) -> State:
        """Look at every record, and hold the set to the header. Raises StoreTamperedError where they do not fit."""
        number, sealed = self.file.current_header()
        header = self._opened(root, number, sealed)
        known: dict[bytes, bytes] = {}
        (tag,) = _sum(root.secret, self.root.identity, self._stamped(known))
        if len(known) != header.count or tag != header.tag:
            raise damaged(self.file.path, "its records are not those that were written last")
        former = self.state
        if former is not None and header.generation <= former.generation and sealed != former.header:
            raise damaged(self.file.path, "it is an older state than one that this process has seen, or beside it")
        return State(number, sealed, header, known)

    def _stamped(self, known: dict[bytes, bytes]) -> Iterator[bytes]:
        for identity, sealed in self.file.rows():
            if len(identity) != RECORD:
                raise damaged(self.file.path, "a record has a name of another size")
            known[identity] = found = stamp(sealed)
            yield identity + found

    def _opened(self, root: Key, number: int, sealed: bytes) -> Header:
        try:
            return Header.unsealed(root, self.root.identity, number, sealed)
        except DecryptionError:
            pass
        raise damaged(self.file.path, "its header is not authentic")

    def news(self, root: Key) -> State:
        """What the state is now: by what changed since the last, or by all where that is not told or does not fit."""
        state = self.seen
        number, sealed = self.file.current_header()
        header, former = self._opened(root, number, sealed), self._opened(root, state.number, state.header)
        if (number, sealed) == (state.number, state.header):
            return state
        if number != state.number or header.generation <= former.generation:
            raise damaged(self.file.path, "it is an older state than one that this process has seen")
        changed = self.file.changed(former.generation, header.generation)
        if changed is None:
            return self.take_stock(root)
        known = dict(state.known)
        was = [one + known.pop(one) for one in changed if one in known]
        for one in changed:
            record = self.file.current(one)
            if record is not None:
                known[one] = stamp(record)
        now = [one + known[one] for one in changed if one in known]
        gone, come = _sum(root.secret, self.root.identity, iter(was), iter(now))
        if len(known) != header.count or (former.tag - gone + come) % MODULUS != header.tag:
            return self.take_stock(root)  # what the log told was not all, or something was changed
        return State(number, sealed, header, known)


def check_pinned(path: str, state: State, at_least: int) -> None:
    """StoreTamperedError for a state older than a generation that was noted elsewhere."""
    if state.generation < at_least:
        raise StoreTamperedError(
            f"the key store {path} has generation {state.generation}, and it had {at_least} before: an older copy of "
            "the file was put in its place"
        )
