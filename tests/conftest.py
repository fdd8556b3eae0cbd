"""The fixtures that tests of more than one folder use; each is told where it is defined."""

from __future__ import annotations

import pytest

from securemem import crypto_heap
from tests.support.c_programs import compile_program, core_sources, hardening, tool
from tests.support.core_builds import faulty_core
from tests.support.prey import prey
from tests.support.terminal import terminal

__all__ = ["compile_program", "core_sources", "faulty_core", "hardening", "no_kept_ciphers", "prey", "terminal", "tool"]


@pytest.fixture
def no_kept_ciphers() -> None:
    """Turn the crypto heap off, which the key store of an earlier test may have turned on."""
    crypto_heap.disable()
