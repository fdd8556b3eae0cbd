"""A search of names, labels and URLs where they lie: in locked memory, one entry after the other."""

from __future__ import annotations

import re

from securemem._binding.memory import wipe
from securemem.exceptions import InvalidArgumentError
from securemem.keystore import _entries
from securemem.keystore._root_key import GENERATION
from securemem.secure_bytes import SecureBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from securemem._types import Scope
    from securemem.keystore._root_key import RootKey

__all__ = ["pattern", "search"]

_LONGEST_TEXT = 255
_ROOM = 4096  # of an entry, as a rule


def pattern(text: str) -> re.Pattern[bytes]:
    """What finds a text in UTF-8, in capitals or not, without a copy of what is searched. TypeError for no str."""
    if not isinstance(text, str):
        raise TypeError(f"the text must be a str, not {type(text).__name__}")
    if len(text) > _LONGEST_TEXT:
        raise InvalidArgumentError(f"the text has at most {_LONGEST_TEXT} characters")
    return re.compile(b"".join(map(_either, text)), re.DOTALL)


def _either(character: str) -> bytes:
    forms = {character, character.lower(), character.upper(), character.casefold()}
    return b"(?:" + b"|".join(sorted(re.escape(one.encode(errors="surrogatepass")) for one in forms)) + b")"


def search(
    scope: Scope, root: RootKey, sealed: Iterable[tuple[bytes, bytes]], wanted: re.Pattern[bytes]
) -> list[bytes]:
    """The records, of those given with what is sealed in them, in which it is found. Only inside the gate."""
    found, room, places = [], memoryview(b""), dict[int, memoryview]()
    key = root.key()
    for record, one in sealed:
        size = len(one) - GENERATION - key.overhead
        if size > len(room):
            room = scope.write(scope.acquire(wipe, SecureBytes.zeros, max(_ROOM, 2 * size)), "an entry")
            places.clear()
        if size not in places:
            places[size] = scope.part(room, 0, size)
        entry = places[size]
        key.decrypt_into(memoryview(one)[GENERATION:], entry, root.binding_of_entry(record, one))
        if any(wanted.search(entry, first, last) for first, last in _entries.texts_of(entry)):
            found.append(record)
    return found
