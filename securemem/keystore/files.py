"""Files as streams: written beside their place, and moved there when they are whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem.keystore.vault import Vault
    from securemem.keystore.versions import Entry

    Work = Callable[..., int]

__all__ = ["transform"]


def transform(  # noqa: PLR0913, PLR0917 - what a stream takes, and its direction
    work: Work,
    vault: Vault,
    entry: Entry,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    context: bytes,
    progress: Callable[[int], None] | None,
) -> int:
    """Read one file, write another, of mode 0600; it appears, or replaces one, at the end and as a whole.

    Nothing is buffered in Python: plaintext goes between the kernel and locked memory. On any failure what was written
    is removed, and a file that was there stays as it was. The result of work; raises OSError as files do.
    """
    place = Path(target)
    with Path(source).open("rb", buffering=0) as reader:
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name[:200]}.", dir=place.parent)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as writer:
                count = work(vault, entry, reader, writer, context, progress)
                os.fsync(descriptor)
            Path(name).replace(place)
        except BaseException:
            Path(name).unlink()
            raise
    _sync(place.parent)
    return count


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
