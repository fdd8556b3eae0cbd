"""Waiting for what another thread or process does, however slow the machine is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 30  # seconds until what should happen counts as not happening


def until(condition: Callable[[], object]) -> None:
    """Wait for something; AssertionError where it does not happen."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)
