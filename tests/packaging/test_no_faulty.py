"""The compiled module that is installed has nothing of the tests' faulty platform in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from securemem import _core

MARKS = (b"faulty_plan", b"faulty_verb", b"__wrap_sm_os", b"faulty ")
FAULTY = Path(__file__).resolve().parents[1] / "core" / "os_faulty.c"


@pytest.mark.parametrize("mark", MARKS)
def test_installed_module_is_not_faulty(mark):
    """No name or message of the faulty platform is in the shared object; nor does cffi know its functions."""
    assert mark not in Path(_core.__file__).read_bytes()
    assert not hasattr(_core.lib, "faulty_plan")


@pytest.mark.parametrize("mark", MARKS)
def test_the_marks_are_those_of_the_faulty_platform(mark):
    """Positive control: its source has each of them."""
    assert mark in FAULTY.read_bytes()
