"""What SQLite's errors mean for a store: its file was changed, the disk refused, or another process was too slow."""

from __future__ import annotations

import errno
import os
import sqlite3

from securemem.exceptions import (
    ForeignFileError,
    OutOfMemoryError,
    SecureMemError,
    StoreBusyError,
    StoreFileError,
    StoreTamperedError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["damaged", "told"]

_PRIMARY = 0xFF  # of an extended error code
_REFUSALS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.ENOENT,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_PROTOCOL: errno.EAGAIN,
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def damaged(path: str, what: str) -> StoreTamperedError:
    """For what only damage, or another than the store's root key, could have made of the file."""
    return StoreTamperedError(
        f"the key store {path} is damaged, or was changed without its root key: {what}. Put a backup in its place"
    )


def told(path: str, work: Callable[P, R], *args: P.args, **names: P.kwargs) -> R:
    """What the work gives; in place of SQLite's and the system's errors those of securemem, with no other as cause."""
    try:
        return work(*args, **names)
    except MemoryError:
        raise OutOfMemoryError("no memory for reading or writing the key store: free some") from None
    except OSError as error:
        if isinstance(error, SecureMemError):
            raise
        found: Exception = StoreFileError(error.errno, os.strerror(error.errno or 0), path)
    except (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeDecodeError) as error:
        found = _found(path, error)
    raise found


def _found(path: str, error: Exception) -> Exception:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & _PRIMARY
    if code in _BUSY:
        return StoreBusyError(f"another process has been changing the key store {path} for too long: try again")
    if code == sqlite3.SQLITE_NOMEM:
        return OutOfMemoryError("no memory for reading or writing the key store: free some")
    if code == sqlite3.SQLITE_NOTADB:
        return ForeignFileError(f"{path} is no key store")
    if code in _REFUSALS:
        number = _REFUSALS[code]
        return StoreFileError(number, f"{os.strerror(number)} ({error})", path)
    return damaged(path, str(error))
