"""`securemem store kek add, remove, list, check`: what opens a store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from securemem.cli._output import write
from securemem.cli._store_access import new_kek_of, opened

if TYPE_CHECKING:
    import argparse


def list_(arguments: argparse.Namespace) -> int:
    """The labels."""
    with opened(arguments) as store:
        labels = store.keks
    write(json.dumps({"schema": 1, "labels": labels}) if arguments.json else "\n".join(labels))
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Open it."""
    with opened(arguments) as store:
        path = store.path
    write(json.dumps({"schema": 1, "opens": path}) if arguments.json else f"it opens {path}")
    return 0


def add(arguments: argparse.Namespace) -> int:
    """One more."""
    with opened(arguments) as store:
        store.add_kek(new_kek_of(arguments, store.path), arguments.label)
    return 0


def remove(arguments: argparse.Namespace) -> int:
    """One less."""
    with opened(arguments) as store:
        store.remove_kek(arguments.label)
    return 0
