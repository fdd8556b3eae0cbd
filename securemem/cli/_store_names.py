"""`securemem store list, find, history, rename, delete, edit`: names, and what is said of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from securemem import doors
from securemem.cli._output import printable, write
from securemem.cli._store_access import opened
from securemem.exceptions import InvalidArgumentError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from securemem.keystore import Item

__all__ = ["details_of"]


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _plain(item: Item) -> dict[str, Any]:
    times = {name: _time(getattr(item, name)) for name in ("created", "changed", "expires")}
    return item.as_dict() | times


def _line(item: Item) -> str:
    parts = [item.algorithm or "secret", f"changed {item.changed:%Y-%m-%d %H:%M}" if item.changed else ""]
    parts += [f"expires {item.expires:%Y-%m-%d}" if item.expires else "", ", ".join(item.labels), item.url]
    parts += ["notes" if item.has_notes else "", f"{item.former} former values" if item.former else ""]
    return f"{printable(item.name)}\t{printable('; '.join(filter(None, parts)))}"


def _print(arguments: argparse.Namespace, items: Sequence[Item]) -> None:
    if arguments.json:
        write(json.dumps({"schema": 1, "items": [_plain(item) for item in items]}, indent=2))
    elif items:
        write("\n".join(_line(item) if arguments.long else printable(item.name) for item in items))


def list_(arguments: argparse.Namespace) -> int:
    """All names."""
    with opened(arguments) as store:
        if not arguments.json and not arguments.long:
            names = [printable(name) for name in store]  # from the index; what is said of each takes longer
            if names:
                write("\n".join(names))
            return 0
        items = list(store.items())
    _print(arguments, items)
    return 0


def find(arguments: argparse.Namespace) -> int:
    """Those with the text; 1 where there is none."""
    with opened(arguments) as store:
        items = store.find(arguments.text)
    _print(arguments, items)
    return 0 if items else 1


def history(arguments: argparse.Namespace) -> int:
    """Since when each former value was the value."""
    with opened(arguments) as store:
        times = [_time(one) for one in store.history(arguments.name)]
    if arguments.json:
        write(json.dumps({"schema": 1, "former": times}))
    elif times:
        write("\n".join(f"{number}\t{time or 'unknown'}" for number, time in enumerate(times, 1)))
    return 0


def rename(arguments: argparse.Namespace) -> int:
    """Give it another name."""
    with opened(arguments) as store:
        store.rename(arguments.name, arguments.new)
    return 0


def delete(arguments: argparse.Namespace) -> int:
    """Delete it."""
    with opened(arguments) as store:
        store.delete(arguments.name)
    return 0


def _expiry(text: str) -> datetime | None:
    if text == "never":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgumentError(f"--expires {text}: write a date as 2030-12-31, or 'never'") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def details_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What set_details() is to be given."""
    given = {"labels": arguments.labels, "url": arguments.url, "keep": arguments.keep}
    found = {name: value for name, value in given.items() if value is not None}
    return found if arguments.expires is None else found | {"expires": _expiry(arguments.expires)}


def edit(arguments: argparse.Namespace) -> int:
    """Change what is said of it."""
    changed = details_of(arguments)
    if arguments.no_labels:
        changed["labels"] = ()
    if arguments.no_notes:
        changed["notes"] = None
    with opened(arguments) as store:
        if arguments.notes_fd is not None:
            changed["notes"] = doors.read_fd(arguments.notes_fd, strip_newline=True)
        store.set_details(arguments.name, **changed)
    return 0
