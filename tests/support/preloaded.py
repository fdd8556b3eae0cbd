"""Imported by multiprocessing's fork server, whose children inherit what it made."""

from __future__ import annotations

from tests.support.estate import Estate

ESTATE = Estate()


def check():
    """In a child of the fork server."""
    ESTATE.check_child()
