"""Sealed records in one file, by the SQLite of Python's library: who reads it sees ciphertexts and their sizes.

docs/reference/store-format.md has the tables, and what makes a change of the file known.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import weakref

from securemem.exceptions import ForeignFileError, NewerFormatError, StoreBusyError, StoreExistsError
from securemem.storage import _paths
from securemem.storage._connections import close, connector, patiently, set_up
from securemem.storage._sqlite_errors import damaged, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from securemem._types import Scope

__all__ = ["FORMAT", "SqliteFile", "check_new"]

FORMAT = 1
_APPLICATION = 0x534D4B53  # "SMKS", in SQLite's own header
_MAGIC = b"SQLite format 3\0"
_PAGE = 4096
_LOGGED = 256  # of the last changes it is told which records they were of
_LONGEST_LOG = 4096  # bytes; a change of more is not told of
_SCHEMA = (
    ("header", "CREATE TABLE header (one INTEGER PRIMARY KEY, root INTEGER NOT NULL, sealed BLOB NOT NULL)"),
    ("log", "CREATE TABLE log (generation INTEGER PRIMARY KEY, changed BLOB NOT NULL)"),
    ("records", "CREATE TABLE records (id BLOB PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID"),
)  # fmt: skip
_left_to_the_parent: list[tuple[tuple[int, int], sqlite3.Connection]] = []  # closing them could undo its change
_files: weakref.WeakSet[SqliteFile] = weakref.WeakSet()
_open_files: dict[tuple[int, int], set[object]] = {}  # by device and inode, something for each who has it open


class SqliteFile:
    """The file of one store; every method raises StoreTamperedError, StoreFileError, StoreBusyError, OutOfMemoryError.

    Two connections: one for single reads by any thread, one for transactions, which one thread has at a time.
    closing: the calls that close it, while it is open, as `_types.Scope` takes them.
    """

    __slots__ = ("__weakref__", "_changes", "_inode", "_mark", "_pid", "_reads", "closing", "path")

    def __init__(self, path: str) -> None:
        self.path: str = path
        self._pid: int = os.getpid()
        self._inode: tuple[int, int] = (0, 0)
        self._mark = object()
        self._reads: sqlite3.Connection | None = None
        self._changes: sqlite3.Connection | None = None
        self.closing: list[tuple[Any, ...]] = []
        _files.add(self)

    # Making, opening, closing

    @classmethod
    def create(
        cls, scope: Scope, path: str, header: bytes, records: Mapping[bytes, bytes], page: int | None = None
    ) -> None:
        """Make the file, whole or not at all. StoreExistsError where there is one of that name."""
        check_new(path)
        name = told(path, _new_file, scope, path)
        told(path, _fill, scope, name, header, records, page or _PAGE)
        told(path, _publish, name, path)
        told(path, _paths.sync_directory, scope, path)

    def open(self, scope: Scope) -> None:
        """Open the file; nothing of it is changed, but a change that was cut off is undone.

        Raises MissingFileError, ExposedFileError, ForeignFileError, NewerFormatError besides.
        """
        if self.is_open:
            return
        _leave_files_to_the_parent()  # also where no fork handler ran to its end
        _paths.check_directory(self.path)
        found = _paths.check_file(self.path)
        self._inode = (found.st_dev, found.st_ino)
        if _was_locked_at_fork(self._inode):
            raise StoreBusyError(
                f"the key store {self.path} was being used when this process was forked, and cannot be opened here: "
                "fork while no operation on it goes on"
            )
        marks = _open_files.setdefault(self._inode, set())
        if not marks:  # closing a second descriptor would drop SQLite's locks on the first
            told(self.path, self._check_start)
        scope.on_failure((self.closing.clear,), (setattr, self, "_reads", None), (setattr, self, "_changes", None))
        self._reads = told(self.path, scope.keep, close, connector(self.path))
        self._changes = told(self.path, scope.keep, close, connector(self.path))
        scope.on_failure((marks.discard, self._mark))
        marks.add(self._mark)
        self.closing += ((marks.discard, self._mark), (close, self._reads), (close, self._changes))
        for one in (self._reads, self._changes):
            told(self.path, set_up, one)
        told(self.path, self._check_format)

    def _check_start(self) -> None:
        with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123 - a str
            found = os.fstat(file.fileno())
            start = file.read(100)
        if (found.st_dev, found.st_ino) != self._inode:
            raise damaged(self.path, "another file was put in its place while it was opened")
        if len(start) < 100 or not start.startswith(_MAGIC):  # noqa: PLR2004 - the size of SQLite's header
            raise ForeignFileError(f"{self.path} is no key store")
        self._check_numbers(int.from_bytes(start[68:72], "big"), int.from_bytes(start[60:64], "big"))
        if start[18:20] != b"\x01\x01":
            raise damaged(self.path, "it is not in the journal mode that stores have")

    def _check_numbers(self, application: int, version: int) -> None:
        if application != _APPLICATION:
            raise ForeignFileError(f"{self.path} is no key store: another program made this SQLite database")
        if version > FORMAT:
            raise NewerFormatError(
                f"{self.path} is a key store of format {version}, and this version of securemem knows formats up to "
                f"{FORMAT}: use the one that wrote it, or a later one"
            )
        if version != FORMAT:
            raise damaged(self.path, f"there is no format {version}")

    def _check_format(self) -> None:
        connection = self._connection()
        one = [patiently(connection, f"PRAGMA {name}")[0][0] for name in ("application_id", "user_version")]
        self._check_numbers(*one)
        mode, vacuum, encoding = (
            patiently(connection, f"PRAGMA {name}")[0][0] for name in ("journal_mode", "auto_vacuum", "encoding")
        )
        if (mode, vacuum, encoding) != (b"delete", 0, b"UTF-8"):
            raise damaged(self.path, "a setting of the database is another one")
        self.check_schema()

    def check_schema(self) -> None:
        """StoreTamperedError where a table is another, or a trigger, view or index was added."""
        query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
        expected = [(b"table", name.encode(), name.encode(), sql.encode()) for name, sql in _SCHEMA]
        if self._all(query) != expected:
            raise damaged(self.path, "its tables are not those of a key store")

    def close(self, scope: Scope) -> None:
        """Close it at the end of the operation; a change that goes on is undone. Of a parent's connections none is."""
        if not self.is_open:
            self._leave_to_the_parent()
            return
        scope.at_end(
            *self.closing, (self.closing.clear,), (setattr, self, "_reads", None), (setattr, self, "_changes", None)
        )

    def _leave_to_the_parent(self) -> None:
        """In a forked child: let go of the parent's connections without closing them."""
        _left_to_the_parent.extend((self._inode, one) for one in (self._reads, self._changes) if one is not None)
        self.closing.clear()
        self._reads = self._changes = None
        self._pid = os.getpid()

    @property
    def is_open(self) -> bool:
        """Whether it is open in this process."""
        return self._reads is not None and self._pid == os.getpid()

    def _connection(self) -> sqlite3.Connection:
        if self._reads is None or self._pid != os.getpid():
            raise StoreBusyError(f"the key store {self.path} is closed: open it again")
        return self._reads

    def _changing(self) -> sqlite3.Connection:
        self._connection()
        assert self._changes is not None  # noqa: S101 - it is opened and closed with the other
        return self._changes

    # Single reads, by any thread

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return told(self.path, patiently, self._connection(), query, values)

    def header(self) -> tuple[int, bytes]:
        """How often the root key was changed, and the sealed header, as they are in the file now."""
        return self._checked_header(self._all("SELECT root, sealed FROM header"))

    def _checked_header(self, rows: list[tuple[Any, ...]]) -> tuple[int, bytes]:
        if len(rows) != 1 or type(rows[0][0]) is not int or type(rows[0][1]) is not bytes or rows[0][0] < 0:
            raise damaged(self.path, "it has no header")
        return rows[0][0], rows[0][1]

    def read(self, identity: bytes) -> bytes | None:
        """The record as it is in the file now, None where there is none."""
        rows = self._all("SELECT sealed FROM records WHERE id = ?", identity)
        return self._checked(rows[0][0]) if rows else None

    def between(self, first: bytes, last: bytes) -> dict[bytes, bytes]:
        """The records whose identities are in that range, as they are in the file now."""
        rows = self._all("SELECT id, sealed FROM records WHERE id >= ? AND id <= ? ORDER BY id", first, last)
        return {self._checked(identity): self._checked(sealed) for identity, sealed in rows}

    def _checked(self, value: Any) -> bytes:
        if type(value) is not bytes:
            raise damaged(self.path, "there is text or a number in the place of a record")
        return value

    # Transactions, by one thread at a time

    def begin(self, scope: Scope, *, write: bool) -> None:
        """Begin to see one state, until the end of an operation, whatever ends it, commit() or rollback().

        write: other processes cannot change it meanwhile.
        """
        self.rollback()
        if write:
            self._check_place()
        scope.at_end((self._changing().rollback,))  # changes nothing where none goes on
        told(self.path, patiently, self._changing(), "BEGIN IMMEDIATE" if write else "BEGIN")
        told(self.path, patiently, self._changing(), "SELECT one FROM header")  # from here on it sees one state

    def _check_place(self) -> None:
        found = _paths.check_file(self.path)
        if (found.st_dev, found.st_ino) != self._inode:
            raise damaged(self.path, "another file was put in its place while it was open")

    @property
    def in_transaction(self) -> bool:
        """Whether one was begun and has not ended."""
        return self._changes is not None and self._pid == os.getpid() and self._changes.in_transaction

    def rollback(self) -> None:
        """End it, with nothing changed."""
        if self.in_transaction:
            told(self.path, self._changing().rollback)

    def current_header(self) -> tuple[int, bytes]:
        """As header(), of the transaction's state."""
        return self._checked_header(told(self.path, patiently, self._changing(), "SELECT root, sealed FROM header", ()))

    def current(self, identity: bytes) -> bytes | None:
        """As read(), of the transaction's state."""
        query = "SELECT sealed FROM records WHERE id = ?"
        rows = told(self.path, patiently, self._changing(), query, (identity,))
        return self._checked(rows[0][0]) if rows else None

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Every record of the transaction's state, with its identity."""
        cursor = told(self.path, self._changing().execute, "SELECT id, sealed FROM records")
        while many := told(self.path, cursor.fetchmany, 256):
            for identity, sealed in many:
                yield self._checked(identity), self._checked(sealed)

    def changed(self, after: int, until: int) -> set[bytes] | None:
        """The identities that were changed after a generation; None where that is not told. A hint: check the set."""
        query = "SELECT changed FROM log WHERE generation > ? AND generation <= ?"
        found = told(self.path, patiently, self._changing(), query, (after, until))
        if len(found) != until - after or any(type(one) is not bytes for (one,) in found):
            return None
        return {one[at : at + 16] for (one,) in found for at in range(0, len(one), 16)}

    def write(
        self, generation: int, root: int, header: bytes, written: Mapping[bytes, bytes | None], *, anew: bool = False
    ) -> None:
        """Write a change and commit it: once this returns, it lasts. anew: all former records go first."""
        told(self.path, _write, self._changing(), generation, root, header, written, anew)

    # The whole file

    def check(self) -> None:
        """SQLite's own check of every page; StoreTamperedError where it finds anything."""
        found = self._all("PRAGMA integrity_check(1)")
        if found != [(b"ok",)]:
            raise damaged(self.path, "SQLite finds its pages damaged")

    def copy(self, scope: Scope, path: str | os.PathLike[str], changed: Callable[[int, bytes], bytes]) -> None:
        """Copy the state that is now into a new file. changed: makes the copy's header of the root's number and this.

        Raises as create().
        """
        target = _paths.absolute(path)
        check_new(target)
        name = told(target, _new_file, scope, target)
        told(target, _copy, scope, self._connection(), name, changed)
        told(target, _publish, name, target)
        told(target, _paths.sync_directory, scope, target)


def _new_file(scope: Scope, path: str) -> str:
    """The name of an empty file beside a path, of mode 0600, that is gone at the end of the operation."""
    name = f"{path}.{os.urandom(8).hex()}.new"
    scope.at_end((os.unlink, name))
    os.mknod(name, 0o600)  # refuses what is there, and leaves no descriptor open
    return name


def check_new(path: str) -> None:
    """Refuse a path where no store can be made: StoreExistsError for a file, and what is said of directories."""
    _paths.check_directory(path)
    if os.path.lexists(path):
        raise StoreExistsError(errno.EEXIST, "there is a file already: open() it, or choose another path", path)


def _fill(scope: Scope, name: str, header: bytes, records: Mapping[bytes, bytes], page: int) -> None:
    connection = scope.acquire(close, connector(name))
    set_up(connection)
    connection.execute(f"PRAGMA page_size={page}")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA application_id={_APPLICATION}")
    connection.execute(f"PRAGMA user_version={FORMAT}")
    for _, sql in _SCHEMA:
        connection.execute(sql)
    connection.execute("INSERT INTO header VALUES (1, 1, ?)", (header,))
    connection.executemany("INSERT INTO records VALUES (?, ?)", records.items())
    connection.execute("COMMIT")
    connection.close()


def _write(
    connection: sqlite3.Connection,
    generation: int,
    root: int,
    header: bytes,
    written: Mapping[bytes, bytes | None],
    anew: bool,
) -> None:
    if anew:
        connection.execute("DELETE FROM records")
    kept = [(identity, sealed) for identity, sealed in written.items() if sealed is not None]
    gone = [(identity,) for identity, sealed in written.items() if sealed is None]
    connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?)", kept)
    connection.executemany("DELETE FROM records WHERE id = ?", gone)
    changed = b"".join(written)
    if not anew and len(changed) <= _LONGEST_LOG:
        connection.execute("INSERT OR REPLACE INTO log VALUES (?, ?)", (generation, changed))
    connection.execute("DELETE FROM log WHERE generation <= ? OR generation > ?", (generation - _LOGGED, generation))
    connection.execute("UPDATE header SET root = ?, sealed = ?", (root, header))
    patiently(connection, "COMMIT")


def _copy(scope: Scope, source: sqlite3.Connection, name: str, changed: Callable[[int, bytes], bytes]) -> None:
    target = scope.acquire(close, connector(name))
    set_up(target)
    source.backup(target)
    ((root, header),) = target.execute("SELECT root, sealed FROM header").fetchall()
    target.execute("BEGIN IMMEDIATE")
    target.execute("UPDATE header SET sealed = ?", (changed(root, header),))
    target.execute("COMMIT")
    target.close()


def _publish(name: str, path: str) -> None:
    """Give a whole file its name, which nothing has yet."""
    try:
        os.link(name, path, follow_symlinks=False)
    except FileExistsError:
        raise StoreExistsError(errno.EEXIST, "there is a file already: choose another path", path) from None


def _leave_files_to_the_parent() -> None:
    for file in tuple(_files):
        if file._pid != os.getpid():  # noqa: SLF001 - a function of this module
            file._leave_to_the_parent()  # noqa: SLF001 - as above


def _was_locked_at_fork(inode: tuple[int, int]) -> bool:
    """Whether the parent was in a transaction: SQLite here takes its lock for one of this process, and sets none."""
    return any(of == inode and _is_in_transaction(one) for of, one in _left_to_the_parent)


def _is_in_transaction(connection: sqlite3.Connection) -> bool:
    try:
        return connection.in_transaction
    except sqlite3.ProgrammingError:  # it is closed
        return False


def _after_fork() -> None:
    _open_files.clear()
    _leave_files_to_the_parent()


os.register_at_fork(after_in_child=_after_fork)
