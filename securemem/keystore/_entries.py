"""What is said of a name, as bytes to be sealed: which key or secret it is, its rules, and its versions."""

from __future__ import annotations

import struct

from securemem._frozen import Frozen
from securemem.exceptions import NewerFormatError
from securemem.keystore._algorithms import KeyAlgorithm, algorithm_numbered
from securemem.keystore._details import check_encoded, texts_in
from securemem.keystore._stored import Facts, State, StoredSecret
from securemem.keystore.policy import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from securemem.keystore._stored import StoredKey

__all__ = ["KeyEntry", "of_key", "of_secret", "read", "texts", "texts_of"]

_KEY, _SECRET = 1, 2
_VERSION = struct.Struct(">I16s16sBQQB")  # number, id, record, state, drawn, protected, length of the public key
_LONG = 255  # of the length of a public key: it follows in two bytes
_STATES = ("pending", "primary", "active", "disabled", "destroyed")


def _short(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def of_key(
    key: StoredKey, policy: bytes, versions: Iterable[Facts], details: bytes | None = None, name: str | None = None
) -> bytes:
    """A key with its rules and versions. details, name: other ones that it is to have."""
    texts = ((name or key.name).encode(), key.details if details is None else details, policy)
    return bytes((_KEY, key.algorithm.number)) + b"".join(map(_short, texts)) + b"".join(map(_of_version, versions))


def _of_version(facts: Facts) -> bytes:
    state, public = _STATES.index(facts.state), facts.public
    numbers = (facts.drawn, facts.protected, min(len(public), _LONG))
    packed = _VERSION.pack(facts.number, facts.key_id, facts.record, state, *numbers)
    return packed + (_short(public) if len(public) >= _LONG else public)


def of_secret(name: str, value: bytes, details: bytes = b"") -> bytes:
    """An opaque secret, and where it lies. details: see `_details`."""
    return bytes((_SECRET, 0)) + _short(name.encode()) + _short(details) + value


def texts(entry: bytes) -> list[bytes]:
    """What an entry is found by: its name, URL and labels."""
    (start, stop), *others = texts_of(memoryview(entry))
    return [entry[start:stop], *(entry[first:last] for first, last in others if first < last)]


class KeyEntry(Frozen):
    """What was said of a key."""

    name: str
    algorithm: KeyAlgorithm
    policy: Policy
    versions: tuple[Facts, ...]
    details: bytes


class _Reader:
    """Takes one part after the other; ValueError where there is not so much."""

    def __init__(self, entry: bytes) -> None:
        self.left = entry

    def take(self, size: int) -> bytes:
        taken, self.left = self.left[:size], self.left[size:]
        if len(taken) != size:
            raise ValueError("the entry ends too early")
        return taken

    def short(self) -> bytes:
        return self.take(int.from_bytes(self.take(2), "big"))


def read(entry: bytes, record: bytes) -> KeyEntry | StoredSecret:
    """What of_key() or of_secret() wrote into that record, which was authentic.

    Raises NewerFormatError for what this version does not know: such as a key's algorithm, which it names by number.
    """
    try:
        return _read(_Reader(entry), record)
    except NewerFormatError:  # a ValueError too, which says more than the one below
        raise
    except (ValueError, IndexError, struct.error):
        pass
    raise NewerFormatError(
        "the key store has an entry that this version of securemem does not know: use the one that wrote it, or a later"
    )


def _read(reader: _Reader, record: bytes) -> KeyEntry | StoredSecret:
    kind, number = reader.take(2)
    name, details = reader.short().decode(), reader.short()
    check_encoded(details)
    if kind == _SECRET and number == 0:
        if len(reader.left) != len(record):
            raise ValueError("no record")
        return StoredSecret(name, record, reader.left, details)
    if kind != _KEY:
        raise ValueError("another kind")
    algorithm = algorithm_numbered(number)
    if algorithm is None:
        raise NewerFormatError(
            f"the key {name!r} is for algorithm {number}, which this version of securemem does not know: use the one "
            "that wrote it, or a later one"
        )
    policy, versions = Policy.decoded(reader.short()), []
    while reader.left:
        versions.append(_read_version(reader))
    return KeyEntry(name, algorithm, policy, tuple(versions), details)


def _read_version(reader: _Reader) -> Facts:
    number, key_id, record, state, drawn, protected, length = _VERSION.unpack(reader.take(_VERSION.size))
    found, public = State(_STATES[state]), reader.short() if length == _LONG else reader.take(length)
    return Facts(number, key_id, found, b"" if found is State.DESTROYED else record, drawn, protected, public)


def texts_of(entry: memoryview) -> list[tuple[int, int]]:
    """Where name, URL and labels lie in an entry, which was authentic."""
    name = 4 + int.from_bytes(entry[2:4], "big")
    start = name + 2
    return [(4, name), *texts_in(entry, start, start + int.from_bytes(entry[name:start], "big"))]
