"""What all entries are called, many in one record: a list of all names opens few records, and a search no others.

The records are sealed and in the authenticated set, like all. Which one has an entry is told by linear hashing (Litwin,
1980) of the entry's own record: where a record is full, one more comes, and one is divided, whichever is next. So a
change of one entry writes one of them, or three.
"""

from __future__ import annotations

from securemem._binding.operations import operate
from securemem.exceptions import NewerFormatError
from securemem.keystore import _entries
from securemem.keystore._root_key import INDEX, RECORD, is_of_name
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from securemem._types import Scope
    from securemem.keystore._book import Book
    from securemem.keystore._root_key import RootKey

    Source = SecureBytes | bytes
    Line = tuple[Source, int, int]

__all__ = ["changes", "check", "count", "names", "opened", "search", "spans", "whole"]

_FORMAT = 1  # the first byte of each
_FULL = 128  # entries
_MOST = 2**16
_HEAD = RECORD + 2  # before the texts of an entry: its record, and how long they are


def _identity(number: int) -> bytes:
    return INDEX + number.to_bytes(2, "big")


def count(known: Container[bytes]) -> int:
    """How many there are, as they are numbered from 0 on."""
    low, high = 0, 1
    while high <= _MOST and _identity(high - 1) in known:
        low, high = high, high * 2
    while low + 1 < high:
        middle = (low + high) // 2
        if _identity(middle - 1) in known:
            low = middle
        else:
            high = middle
    return low


def _place(record: bytes, many: int) -> int:
    """Which of so many has the entry."""
    half = 1 << (many.bit_length() - 1)
    number = int.from_bytes(record[RECORD // 2 :], "big") % (2 * half)
    return number if number < many else number - half


def _line(record: bytes, texts: Iterable[bytes]) -> bytes:
    said = b"".join(len(one).to_bytes(2, "big") + one for one in texts)
    return record + len(said).to_bytes(2, "big") + said


def spans(plain: memoryview) -> Iterator[tuple[int, int]]:
    """Where each entry's line begins and ends. NewerFormatError where they are written in another way."""
    at, size = 1, len(plain)
    while at + _HEAD <= size and plain[0] == _FORMAT:
        start, at = at, at + _HEAD + (plain[at + RECORD] << 8 | plain[at + RECORD + 1])
        if at > size:
            break
        yield start, at
    if at != size or plain[0] != _FORMAT:
        raise NewerFormatError(
            "the key store's index is written in a way that this version of securemem does not know: use the one that "
            "wrote it, or a later"
        )


def opened(book: Book, number: int) -> SecureBytes:
    """One of them in clear."""
    identity = _identity(number)
    sealed = book.read(identity)
    assert sealed is not None  # noqa: S101 - it is among those that were counted
    return book.root.unseal_index(identity, sealed)


def names(book: Book) -> list[str]:
    """The names of all entries; where the state is another one afterwards, some may be missing, or there twice."""
    found: list[str] = []
    for number in range(count(book.seen.known)):
        plain = opened(book, number)
        found += operate(0, _names_in, plain)
        plain.wipe()
    return found


def _names_in(scope: Scope, plain: SecureBytes) -> list[str]:
    view, found = scope.read(plain, "the index"), []
    for start, _ in spans(view):
        name = start + _HEAD + 2
        found.append(str(view[name : name + (view[name - 2] << 8 | view[name - 1])], "utf-8"))
    return found


def search(book: Book, wanted: re.Pattern[bytes]) -> list[bytes]:
    """The records of the entries in whose texts it is found; see names()."""
    found: list[bytes] = []
    for number in range(count(book.seen.known)):
        plain = opened(book, number)
        found += operate(0, _found_in, plain, wanted)
        plain.wipe()
    return found


def _found_in(scope: Scope, plain: SecureBytes, wanted: re.Pattern[bytes]) -> list[bytes]:
    view, found = scope.read(plain, "the index"), []
    for start, stop in spans(view):
        at = start + _HEAD
        while at < stop:
            text, at = at + 2, at + 2 + (view[at] << 8 | view[at + 1])
            if wanted.search(view, text, at):
                found.append(bytes(view[start : start + RECORD]))
                break
    return found


def check(book: Book, entries: Mapping[bytes, bytes]) -> bool:
    """Whether the index has these entries, each in its place and as they are, and no others."""
    many, seen = count(book.seen.known), 0
    for number in range(many):
        plain = opened(book, number)
        for record, line in operate(0, _parsed, plain).items():
            seen += 1
            if record not in entries or _place(record, many) != number:
                return False
            if not operate(0, _is_same, line, _line(record, _entries.texts(entries[record]))):
                return False
    return seen == len(entries)


class _Edit:
    """The lines of those that a change reads or writes."""

    def __init__(self, many: int, read: Callable[[int], SecureBytes]) -> None:
        self._read = read
        self._lines: dict[int, dict[bytes, Line]] = {}
        self._many = many
        self._changed: set[int] = set()

    def _of(self, number: int) -> dict[bytes, Line]:
        if number not in self._lines:
            plain = self._read(number)
            self._lines[number] = operate(0, _parsed, plain)
        return self._lines[number]

    def put(self, record: bytes, line: bytes | None) -> None:
        """Have that line of an entry, or none."""
        if self._many == 0:
            self._add()
        number = _place(record, self._many)
        lines = self._of(number)
        former = lines.get(record)
        if line is None:
            if former is None:
                return
            del lines[record]
        else:
            if former is not None and operate(0, _is_same, former, line):
                return
            lines[record] = (line, 0, len(line))
        self._changed.add(number)
        if len(lines) > _FULL and self._many < _MOST:
            self._divide()

    def _add(self) -> None:
        self._lines[self._many] = {}
        self._changed.add(self._many)
        self._many += 1

    def _divide(self) -> None:
        new = self._many
        former = new - (1 << (new.bit_length() - 1))
        lines = self._of(former)
        self._add()
        for record in tuple(lines):
            if _place(record, self._many) == new:
                self._lines[new][record] = lines.pop(record)
        self._changed.add(former)

    def sealed(self, root: RootKey) -> dict[bytes, bytes]:
        """Those that were changed, as their records are to be."""
        written = {}
        for number in sorted(self._changed):
            plain = _joined(self._lines[number].values())
            written[_identity(number)] = root.seal_index(_identity(number), plain)
            plain.wipe()
        return written


def _parsed(scope: Scope, plain: SecureBytes) -> dict[bytes, Line]:
    view = scope.read(plain, "the index")
    found: dict[bytes, Line] = {}
    for start, stop in spans(view):  # a comprehension is a function, whose frame would keep the index in a traceback
        found[bytes(view[start : start + RECORD])] = (plain, start, stop)
    return found


def _is_same(scope: Scope, former: Line, line: bytes) -> bool:
    source, start, stop = former
    return scope.read(source, "the index")[start:stop] == line


def _joined(lines: Iterable[Line]) -> SecureBytes:
    sources: dict[int, tuple[Source, list[Line]]] = {}
    for one in lines:
        sources.setdefault(id(one[0]), (one[0], []))[1].append(one)
    plain = SecureBytes.zeros(1 + sum(stop - start for _, some in sources.values() for _, start, stop in some))
    at = operate(0, _begin, plain)
    for source, some in sources.values():  # one at a time: an operation has few views
        at = operate(0, _copy, plain, at, source, some)
    return plain


def _begin(scope: Scope, plain: SecureBytes) -> int:
    scope.write(plain, "the index")[0] = _FORMAT
    return 1


def _copy(scope: Scope, plain: SecureBytes, at: int, source: Source, lines: list[Line]) -> int:
    to = scope.write(plain, "the index")
    view = source if isinstance(source, bytes) else scope.read(source, "the index")
    for _, start, stop in lines:
        to[at : at + stop - start] = view[start:stop]
        at += stop - start
    return at


def changes(book: Book, written: Mapping[bytes, bytes | None], entries: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The records of the index that come with a change of these records. entries: in clear, those that are written."""
    touched = {one: new for one, new in written.items() if is_of_name(one)}
    if not touched:
        return {}
    edit = _Edit(count(book.seen.known), lambda number: opened(book, number))
    for record, sealed in touched.items():
        edit.put(record, None if sealed is None else _line(record, _entries.texts(entries[record])))
    return edit.sealed(book.root)


def whole(root: RootKey, entries: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The records of the index of these entries, and of no others."""
    edit = _Edit(0, _none)
    for record, entry in entries.items():
        edit.put(record, _line(record, _entries.texts(entry)))
    return edit.sealed(root)


def _none(number: int) -> SecureBytes:
    raise AssertionError(number)
