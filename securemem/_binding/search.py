"""The search for many byte patterns at once."""

from __future__ import annotations

from securemem._binding.load import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["HEAD", "Search"]

HEAD: int = lib.SM_PATTERNS_HEAD  # bytes that a pattern has at least
_ROOM = 1024


class Search:
    """Finds all of some patterns in one pass. They are kept as copies in ordinary memory."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        """Prepare it. Raises ValueError for a pattern of fewer than HEAD bytes."""
        if any(len(pattern) < HEAD for pattern in patterns):
            raise ValueError(f"a pattern has {HEAD} bytes or more")
        self._kept = [ffi.from_buffer("uint8_t[]", pattern) for pattern in patterns]
        self._patterns = ffi.new("uint8_t *[]", self._kept)
        self._lengths = ffi.new("size_t[]", [len(pattern) for pattern in patterns])
        self._search = ffi.new("struct sm_patterns *")
        self._hits = ffi.new("struct sm_patterns_hit[]", _ROOM + len(patterns))
        self._next = ffi.new("size_t *")
        lib.sm_patterns_prepare(self._search, self._patterns, self._lengths, len(patterns))

    def find(self, data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where patterns begin, from start to before end, in order, each with its number; overlapping ones too."""
        with ffi.from_buffer("uint8_t[]", data) as where:
            while start < end:
                sizes = (self._hits, len(self._hits), self._next)
                found = lib.sm_patterns_find(self._search, *sizes, where, start, end, len(data))
                yield from [(hit.at, hit.pattern) for hit in self._hits[0:found]]
                start = self._next[0]
