"""Where the file of a store may lie: in a directory that no other user can change, owned by this one, and no link."""

from __future__ import annotations

import os
import stat

from securemem.exceptions import (
    ExposedFileError,
    ForeignFileError,
    InvalidArgumentError,
    MissingFileError,
    StoreFileError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from securemem._types import Scope

__all__ = ["absolute", "check_directory", "check_file", "sync_directory"]

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def absolute(path: str | os.PathLike[str]) -> str:
    """The path with its directory's links resolved, not those of its last part. TypeError for what is no path."""
    found = os.fspath(path)
    if not isinstance(found, str):
        raise TypeError(f"a path is a str or a PathLike that gives one, not {type(found).__name__}")
    directory, name = os.path.split(found)
    if not name or name in {".", ".."} or "\0" in found:
        raise InvalidArgumentError("the path of a store must name a file")
    return os.path.join(os.path.realpath(directory or "."), name)  # noqa: PTH118 - as the others here, a str


def check_directory(path: str) -> None:
    """ExposedFileError where other users could put files beside the store, MissingFileError where there is none."""
    directory = os.path.dirname(path)  # noqa: PTH120 - a str
    try:
        found = os.stat(directory)  # noqa: PTH116 - a str
    except OSError as error:
        raise _refusal(error, directory) from None
    if found.st_uid not in {os.geteuid(), 0} or found.st_mode & _OTHERS_WRITE:
        raise ExposedFileError(
            f"other users may change the directory {directory}, where the store's journal lies too: take a directory "
            f"of mode 0700 that you own (it has {stat.S_IMODE(found.st_mode):04o}, owner {found.st_uid})"
        )


def check_file(path: str) -> os.stat_result:
    """The file's facts; ExposedFileError for a link or where other users have access, MissingFileError for none."""
    try:
        found = os.lstat(path)
    except OSError as error:
        raise _refusal(error, path) from None
    if stat.S_ISLNK(found.st_mode):
        raise ExposedFileError(f"{path} is a symbolic link: name the store's file itself")
    if not stat.S_ISREG(found.st_mode):
        raise ForeignFileError(f"{path} is no file: a key store is a regular file")
    if found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
        raise ExposedFileError(
            f"other users may open {path}: it must be yours and of mode 0600 (it has "
            f"{stat.S_IMODE(found.st_mode):04o}, owner {found.st_uid})"
        )
    return found


def sync_directory(scope: Scope, path: str) -> None:
    """Make the names in the directory of a file lasting."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    os.fsync(scope.acquire(os.close, os.open, os.path.dirname(path), flags))  # noqa: PTH120 - a str


def _refusal(error: OSError, path: str) -> Exception:
    if isinstance(error, FileNotFoundError):
        return MissingFileError(error.errno, os.strerror(error.errno or 0), path)
    return StoreFileError(error.errno, os.strerror(error.errno or 0), path)
