"""What is said of a name besides its kind: times, labels, a URL, notes and former values; sealed with the entry."""

from __future__ import annotations

import struct
import time

from securemem._frozen import Frozen
from securemem.exceptions import InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from typing import Any

    from securemem.keystore._stored import StoredKey, StoredSecret

__all__ = [
    "MOST_FORMER",
    "NOBODY",
    "Details",
    "Item",
    "check_encoded",
    "check_keep",
    "check_labels",
    "check_name",
    "check_url",
    "item_of",
    "seconds_of",
    "texts_in",
    "time_of",
]

MOST_FORMER = 20
NOBODY = bytes(16)  # in the place of the identity of a record: there is none
_VERSION = 1
_HEAD = struct.Struct(
    ">BQQQB16sBBH"
)  # version, three times, keep, notes, how many labels and former values, URL's size
_FORMER = struct.Struct(">Q16s")  # since when it was the value, and the record
_MOST_LABELS = 50
_LONGEST_LABEL = 100
_LONGEST_NAME = 255
_LONGEST_URL = 2000


class Details(Frozen):
    """As they are written down. Times: seconds since 1970, 0 where there is none.

    keep: how many former values stay. notes: the record that has them, or NOBODY. former: since when each was the
    value, and its record, the latest first.
    """

    created: int = 0
    changed: int = 0
    expires: int = 0
    keep: int = 0
    notes: bytes = NOBODY
    labels: tuple[str, ...] = ()
    url: str = ""
    former: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def read(cls, encoded: bytes) -> Details:
        """What encoded() wrote; ValueError for anything else. Empty: of an entry without details."""
        if not encoded:
            return cls()
        head, spans, end = _parts(encoded)
        _, created, changed, expires, keep, notes, _, _, size = head
        url = encoded[_HEAD.size : _HEAD.size + size].decode()
        texts = tuple(encoded[start:stop].decode() for start, stop in spans)
        return cls(created, changed, expires, keep, notes, texts, url, tuple(_FORMER.iter_unpack(encoded[end:])))

    def encoded(self) -> bytes:
        """The bytes, to be sealed."""
        url, labels = self.url.encode(), [one.encode() for one in self.labels]
        times = (self.created, self.changed, self.expires)
        head = _HEAD.pack(_VERSION, *times, self.keep, self.notes, len(labels), len(self.former), len(url))
        texts = b"".join(len(one).to_bytes(2, "big") + one for one in labels)
        return head + url + texts + b"".join(_FORMER.pack(*one) for one in self.former)

    def touched(self) -> Details:
        """Changed now."""
        now = int(time.time())
        return self.__replace__(created=self.created or now, changed=now)

    @property
    def records(self) -> list[bytes]:
        """The records that belong to it."""
        return [one for one in (self.notes, *(record for _, record in self.former)) if one != NOBODY]


def _parts(encoded: bytes) -> tuple[tuple[Any, ...], list[tuple[int, int]], int]:
    """The head, where the labels lie, and where the former values begin; ValueError where it is written otherwise."""
    try:
        head = _HEAD.unpack_from(encoded)
    except struct.error:
        raise ValueError("the details end too early") from None
    version, *_, labels, former, size = head
    spans = list(_spans(encoded, _HEAD.size + size, labels, len(encoded)))
    end = spans[-1][1] if spans else _HEAD.size + size
    if version != _VERSION or len(encoded) != end + former * _FORMER.size or former > MOST_FORMER:
        raise ValueError("the details are written in another way")
    return head, spans, end


def check_encoded(encoded: bytes) -> None:
    """ValueError for details that are written in a way that is not known here."""
    if encoded:
        _parts(encoded)


def _spans(encoded: bytes | memoryview, at: int, count: int, end: int) -> Iterator[tuple[int, int]]:
    for _ in range(count):
        start = at + 2
        at = start + int.from_bytes(encoded[at:start], "big")
        if at > end:
            raise ValueError("the details end too early")
        yield start, at


def texts_in(entry: memoryview, start: int, end: int) -> list[tuple[int, int]]:
    """Where the URL and the labels lie in the details that an entry has there; no part of it is kept open."""
    if start == end:
        return []
    *_, labels, _, size = _HEAD.unpack_from(entry, start)
    at = start + _HEAD.size
    return [(at, at + size), *_spans(entry, at + size, labels, end)]


class Item(Frozen):
    """What is said of a key or an opaque secret.

    name. algorithm: of a key; empty for an opaque secret. labels, url: as set_details() was given them. created,
    changed, expires: in UTC, None where that is not known, or not said. has_notes: whether notes() has any. former:
    how many former values of an opaque secret are kept.
    """

    name: str
    algorithm: str
    labels: tuple[str, ...]
    url: str
    created: datetime | None
    changed: datetime | None
    expires: datetime | None
    has_notes: bool
    former: int


def item_of(entry: StoredKey | StoredSecret) -> Item:
    """What can be said of an entry."""
    found = Details.read(entry.details)
    algorithm = getattr(entry, "algorithm", None)
    return Item(
        entry.name,
        "" if algorithm is None else algorithm.name,
        found.labels,
        found.url,
        time_of(found.created),
        time_of(found.changed),
        time_of(found.expires),
        found.notes != NOBODY,
        len(found.former),
    )


def time_of(seconds: int) -> datetime | None:
    """The time in UTC; None for 0."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415 - a store that is not asked for times needs it not

    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds) if seconds else None
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


# What callers give


def check_name(name: str) -> None:
    """TypeError for what is no str, InvalidArgumentError unless it has 1 to 255 printable characters."""
    if not isinstance(name, str):
        raise TypeError(f"a name must be a str, not {type(name).__name__}")
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidArgumentError(f"a name has 1 to {_LONGEST_NAME} printable characters")


def _text(what: str, text: str, longest: int) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a str, not {type(text).__name__}")
    if len(text.encode(errors="surrogatepass")) > longest or not text.isprintable():
        raise InvalidArgumentError(f"{what} has at most {longest} bytes of printable text")
    return text


def check_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Up to 50 different labels, in their order. Raises TypeError and InvalidArgumentError."""
    if isinstance(labels, str | bytes):
        raise TypeError("labels must be several str, such as ['mail', 'work']")
    found = tuple(dict.fromkeys(_text("a label", one, _LONGEST_LABEL) for one in labels))
    if len(found) > _MOST_LABELS or not all(found):
        raise InvalidArgumentError(f"a name has at most {_MOST_LABELS} labels, none of them empty")
    return found


def check_url(url: str) -> str:
    """Printable text; empty for none."""
    return _text("a URL", url, _LONGEST_URL)


def check_keep(keep: int) -> int:
    """How many former values are to be kept: 0 to 20."""
    if not isinstance(keep, int) or isinstance(keep, bool):
        raise TypeError(f"keep must be an int, not {type(keep).__name__}")
    if not 0 <= keep <= MOST_FORMER:
        raise InvalidArgumentError(f"keep={keep}: 0 to {MOST_FORMER} former values can be kept")
    return keep


def seconds_of(expires: datetime | None) -> int:
    """A time as it is written down."""
    if expires is None:
        return 0
    from datetime import datetime  # noqa: PLC0415 - see time_of()

    if not isinstance(expires, datetime):
        raise TypeError(f"expires must be a datetime or None, not {type(expires).__name__}")
    if expires.tzinfo is None:
        raise InvalidArgumentError("expires must have a time zone: datetime.now(UTC) has one")
    return max(1, int(expires.timestamp()))
