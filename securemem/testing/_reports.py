"""What a scan found: each copy with its place, and the sums."""

from __future__ import annotations

import json
from typing import Any

from securemem._frozen import Frozen

__all__ = ["Copy", "Report"]

_SHOWN = 8  # places in a description


class Copy(Frozen):
    """One copy of a secret, whole or in part.

    memory: the mapping's name, such as "[heap]" or "[stack]", a file's path, or "anonymous". mapping: its addresses, as
    in /proc/PID/maps, "" for a file. address: where the copy begins, 0 where a file has none. offset: how far in the
    mapping or file. form: of the secret, as its needle names it. locked: it lies in locked memory. accessible: the
    process itself may read or write it at this moment.
    """

    memory: str
    mapping: str
    address: int
    offset: int
    form: str
    locked: bool
    accessible: bool

    def __str__(self) -> str:
        """Tell the place in a line."""
        how = "locked" if self.locked else "not locked"
        return f"{self.form} in {self.memory} at {self.address:#x} (offset {self.offset:#x}; {how})"


class Report(Frozen):
    """What a scan found. It holds no byte of the secret.

    copies: the first 1,000, each with its place. locked, unlocked: how many lie in locked memory and elsewhere.
    scanned, unreadable: bytes searched, and bytes that the kernel did not give. attached: whether the scanner had to
    attach to the process as a debugger. seconds: how long it took.
    """

    copies: tuple[Copy, ...]
    locked: int
    unlocked: int
    scanned: int
    unreadable: int
    attached: bool
    seconds: float

    @property
    def count(self) -> int:
        """All copies."""
        return self.locked + self.unlocked

    def describe(self) -> str:
        """The sums and the first places, those that are not locked first, a line each."""
        lines = [f"{self.unlocked} copies outside locked memory, {self.locked} in it"]
        ordered = sorted(self.copies, key=lambda one: one.locked)
        lines += [f"  {one}" for one in ordered[:_SHOWN]]
        if self.count > _SHOWN:
            lines.append(f"  and {self.count - _SHOWN} more")
        return "\n".join(lines)

    def as_json(self) -> str:
        """The report in a line of JSON."""
        said: dict[str, Any] = self.as_dict()
        return json.dumps(said | {"copies": [one.as_dict() for one in self.copies]})

    @classmethod
    def from_json(cls, text: str | bytes) -> Report:
        """The report that `as_json` wrote."""
        said = json.loads(text)
        return cls(**said | {"copies": tuple(Copy(**one) for one in said["copies"])})
