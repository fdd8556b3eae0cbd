"""Connections of SQLite, as stores use them: how one is made, set up and closed, and waits for other processes."""

from __future__ import annotations

import os
import sqlite3
import time
from functools import partial
from threading import get_ident
from urllib.parse import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["close", "connector", "patiently", "set_up"]

_PATIENCE = 60.0  # seconds to wait for other processes
_PAUSE = 0.0005
_EACH = (
    "PRAGMA trusted_schema=OFF",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cell_size_check=ON",
    "PRAGMA mmap_size=0",
    "PRAGMA cache_spill=OFF",
    "PRAGMA synchronous=EXTRA",
    "PRAGMA secure_delete=ON",
)
close = sqlite3.Connection.close  # a connection that is only dropped stays open until the collector comes


def patiently(connection: sqlite3.Connection, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """Do it once other processes let it; the rows.

    It is asked for often: SQLite's own pauses grow to the time of many changes, and a process that pauses longer than
    others gets no turn. The comment gives each thread statements of its own: from Python 3.12 on, threads that ask the
    same of one connection may get one compiled statement from its cache, and so each other's rows.
    """
    own = f"{statement} -- {get_ident()}"
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return connection.execute(own, values).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(_PAUSE * (1 + os.urandom(1)[0] / 255))


def connector(path: str) -> Callable[[], sqlite3.Connection]:
    """What makes a connection; each statement on it is to be done patiently, as SQLite does not wait."""
    return partial(
        sqlite3.connect,
        f"file:{quote(path)}?mode=rw",
        uri=True,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )


def set_up(connection: sqlite3.Connection) -> None:
    """Make every setting."""
    connection.text_factory = bytes
    for setting in _EACH:
        patiently(connection, setting)  # a setting reads the file too, which another process may be changing
