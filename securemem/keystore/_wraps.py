"""The root key of a store in a file, wrapped by each of its key-encryption keys: a record for each, with a label."""

from __future__ import annotations

from securemem.exceptions import (
    DecryptionError,
    InvalidArgumentError,
    KeyExistsError,
    KeyNotFoundError,
    NoKeyEncryptionKeyError,
    WrongKeyEncryptionKeyError,
)
from securemem.keystore._root_key import GENERATION, MOST_WRAPPED, RECORD, WRAPPED_ROOT
from securemem.storage._sqlite_errors import damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from securemem.keystore._durable import DurableContents
    from securemem.keystore.kek import KeyEncryptionKey
    from securemem.secure_bytes import SecureBytes
    from securemem.storage.sqlite import SqliteFile

    Wraps = dict[bytes, tuple[str, bytes]]

__all__ = [
    "add",
    "all_in",
    "authentic",
    "check_label",
    "encoded",
    "give_up",
    "remove",
    "replace",
    "replace_all",
    "unwrapped",
    "wrapped_by",
    "wrapped_for",
]

_LAST = bytes(RECORD - 1) + bytes((MOST_WRAPPED,))
_LONGEST_LABEL = 100


def check_label(label: str) -> None:
    """TypeError for what is no str, InvalidArgumentError unless it has 1 to 100 printable characters."""
    if not isinstance(label, str):
        raise TypeError(f"a label must be a str, not {type(label).__name__}")
    if not 0 < len(label) <= _LONGEST_LABEL or not label.isprintable():
        raise InvalidArgumentError(f"a label has 1 to {_LONGEST_LABEL} printable characters")


def encoded(label: str, wrapped: bytes) -> bytes:
    """The record but for its generation."""
    check_label(label)
    text = label.encode()
    return len(text).to_bytes(2, "big") + text + wrapped


def all_in(file: SqliteFile) -> Wraps:
    """Label and wrapped root key by the identities of their records; they are not known to be authentic yet."""
    return _parsed(file.path, file.between(WRAPPED_ROOT, _LAST))


def _parsed(path: str, records: Mapping[bytes, bytes]) -> Wraps:
    found: Wraps = {}
    for identity, record in records.items():
        plain = record[GENERATION:]
        end = 2 + int.from_bytes(plain[:2], "big")
        try:
            found[identity] = plain[2:end].decode(), plain[end:]
        except UnicodeDecodeError:
            raise damaged(path, "the label of a key-encryption key is no text") from None
    return found


def authentic(contents: DurableContents) -> Wraps:
    """As all_in(), each as the authenticated set has it; of a locked store, which cannot tell, as the file has it."""
    book = contents.book
    if not contents.gate.is_open:
        return all_in(book.file)
    records = {one: book.read(one) for one in book.wraps()}
    return _parsed(book.file.path, {one: record for one, record in records.items() if record is not None})


def give_up(kek: KeyEncryptionKey) -> None:
    """Wipe a passphrase that there is nothing to be tried on."""
    leave = getattr(kek, "__exit__", None)
    if leave is not None:
        leave(None, None, None)


def unwrapped(kek: KeyEncryptionKey, wraps: Wraps, context: bytes, path: str) -> SecureBytes:
    """What the key-encryption key unwraps of the first that is its own. Raises WrongKeyEncryptionKeyError for none."""
    candidates = [wrapped for _, wrapped in wraps.values()]
    try:
        if (any_of := getattr(kek, "unwrap_any", None)) is not None:
            found: SecureBytes = any_of(candidates, context)
            return found
        for wrapped in candidates:
            try:
                return kek.unwrap(wrapped, context)
            except DecryptionError:
                continue
    except DecryptionError:
        pass
    what = "the passphrase is wrong" if type(kek).__name__ == "Passphrase" else "this key-encryption key does not fit"
    raise WrongKeyEncryptionKeyError(f"{what}: it does not open the key store {path}")


def wrapped_by(contents: DurableContents, kek: KeyEncryptionKey) -> bytes:
    """The root key wrapped; only inside the gate. Passphrases share their salt: one derivation tries all of them."""
    beside = getattr(kek, "beside", None)
    if beside is not None:
        beside([wrapped for _, wrapped in authentic(contents).values()])
    return contents.root.wrapped_by(kek)


def add(contents: DurableContents, label: str, wrapped: bytes) -> None:
    """One more key-encryption key. Only under change()."""
    wraps = authentic(contents)
    if any(label == other for other, _ in wraps.values()):
        raise KeyExistsError(f"the store has a key-encryption key {label!r} already: remove it first")
    free = [number for number in range(1, MOST_WRAPPED + 1) if bytes((*bytes(RECORD - 1), number)) not in wraps]
    if not free:
        raise InvalidArgumentError(f"a store has {MOST_WRAPPED} key-encryption keys at most")
    _commit(contents, {bytes((*bytes(RECORD - 1), free[0])): encoded(label, wrapped)})


def remove(contents: DurableContents, label: str) -> None:
    """One less; the last stays. Only under change()."""
    wraps = authentic(contents)
    found = [identity for identity, (other, _) in wraps.items() if label == other]
    if not found:
        raise KeyNotFoundError(f"the store has no key-encryption key {label!r}")
    if len(wraps) == 1:
        raise NoKeyEncryptionKeyError(
            f"{label!r} is the only key-encryption key of the store: add another one first, or nothing could open it"
        )
    _commit(contents, {found[0]: None})


def wrapped_for(contents: DurableContents, label: str) -> bytes:
    """What the key-encryption key of a label wrapped; only inside the gate. KeyNotFoundError where it is not there."""
    for other, wrapped in authentic(contents).values():
        if label == other:
            return wrapped
    raise KeyNotFoundError(f"the store has no key-encryption key {label!r}")


def replace(contents: DurableContents, label: str, old: bytes, new: bytes) -> None:
    """Another wrapping by the same key-encryption key. Only under change()."""
    for identity, found in authentic(contents).items():
        if found == (label, old):
            return _commit(contents, {identity: encoded(label, new)})
    raise KeyNotFoundError(f"the key-encryption key {label!r} was changed meanwhile: nothing was written")


def replace_all(contents: DurableContents, label: str, wrapped: bytes) -> None:
    """One in the place of all. Only under change()."""
    others: dict[bytes, bytes | None] = dict.fromkeys(authentic(contents))
    _commit(contents, others | {WRAPPED_ROOT: encoded(label, wrapped)})


def _commit(contents: DurableContents, written: Mapping[bytes, bytes | None]) -> None:
    generation = contents.root.generation.to_bytes(GENERATION, "big")
    steps: list[tuple[Any, ...]] = []
    contents.commit({one: None if new is None else generation + new for one, new in written.items()}, steps)
