"""The cells of a gate: what lies in it is filled inside only, is closed with it, and is changed in one step."""

from __future__ import annotations

import pytest

from securemem import SecureBytes
from securemem.keystore._gate import Cell, Gate, apply


class Locked(Gate):
    """A gate of its own, to be looked at."""


def open_gate():
    """A gate with a root key."""
    gate = Locked()
    root = Cell(gate)
    assert gate.reopen(root, lambda: SecureBytes.random(32))
    return gate, root


def test_a_cell_is_filled_inside_only():
    """What is put into it elsewhere would not be waited for."""
    gate, root = open_gate()
    cell = Cell(gate)
    with pytest.raises(RuntimeError, match="inside"):
        cell.hold(SecureBytes.random(8))
    secret = gate.run(lambda: cell.hold(SecureBytes.random(8)))
    assert gate.held == 2
    cell.end()
    assert secret.wiped
    assert (cell.value, gate.held) == (None, 1)
    gate.shut()
    assert root.value is None


def test_the_oldest_open_key_is_closed_for_the_next():
    """No more than 4,096 are open; other cells do not count, and stay."""
    gate, root = open_gate()
    cells = [Cell(gate, None, True) for _ in range(4097)]
    gate.run(lambda: [cell.hold(object()) for cell in cells])
    assert (cells[0].value, gate.held) == (None, 4097)
    assert cells[1].value is not None
    gate.close_keys()
    assert gate.held == 1
    assert root.value is not None


def test_a_change_of_several_objects_is_one_step():
    """Assignments, dictionaries, cells and buffers; what is no such thing is refused before anything is done."""

    class Thing:
        first, second = 1, 2

    gate, root = open_gate()
    thing, names, plain, secret = Thing(), {"old": 1}, bytearray(b"secret"), SecureBytes.random(8)
    with pytest.raises(TypeError, match="step"):
        apply((thing, "first", 10), ("no step",))
    assert thing.first == 1
    apply((thing, "first", 10), (names, "new", 2), (names, "old"), (names, "never"), (root,), (plain,), (secret,))
    assert (thing.first, thing.second, names) == (10, 2, {"new": 2})
    assert root.value is None
    assert not any(plain)
    assert secret.wiped
    assert gate.held == 0
