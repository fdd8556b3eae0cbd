"""Statements that no program can stage at will, with the reason: they belong into the table too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securemem.locking.specification import GLIBC, KERNEL, MAN
from securemem.testing.conformance._rows import CannotStageError, row

if TYPE_CHECKING:
    from securemem.testing.conformance._probe import Probe

_MEMORY = "the machine's memory would have to run out"
_REASONS = (
    ("mlock", "EINTR where a fatal signal comes", KERNEL, "EINTR", "the process that would see it is dead"),
    (
        "mlock",
        "EAGAIN where some pages could not be locked",
        MAN,
        "EAGAIN",
        _MEMORY,
    ),
    ("mlock", "ENOSYS where the kernel lacks the call", GLIBC, "ENOSYS", "this kernel has it"),
    ("mlock", "before Linux 4.9 a range locked already is counted twice", MAN, "ENOMEM", "this kernel is newer"),
    ("mlock", "suspend saves locked memory to disk", MAN, "saved", "the machine would have to be suspended"),
    ("munlock", "EINTR where a fatal signal comes", KERNEL, "EINTR", "the process that would see it is dead"),
    ("mlockall", "EINTR where a fatal signal comes", KERNEL, "EINTR", "the process that would see it is dead"),
    (
        "mlockall",
        "EAGAIN where some pages could not be locked",
        KERNEL,
        "EAGAIN",
        _MEMORY,
    ),
    ("mlockall", "ENOSYS where the kernel lacks the call", GLIBC, "ENOSYS", "this kernel has it"),
)


def _add(call: str, statement: str, source: str, expected: str, why: str) -> None:
    @row(call, statement, source, expected)
    def _never(probe: Probe) -> str:
        del probe
        raise CannotStageError(why)


for _words in _REASONS:
    _add(*_words)
