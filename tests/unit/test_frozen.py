"""The small classes that never change: what a program may do with Statistics, Protection and their like."""

from __future__ import annotations

import copy
import pickle

import pytest

import securemem
from securemem._frozen import Frozen
from securemem.locking import PosixSupport


class Point(Frozen):
    """A frozen class with a default."""

    x: int
    y: int = 7


class Named(Frozen, kw_only=True):
    """A frozen class that takes its fields by name, and checks one."""

    size: int = 1

    def __post_init__(self):
        """Refuse a negative size."""
        if self.size < 0:
            raise ValueError("negative")


def test_fields_in_order_by_name_and_by_default():
    """A field is given in its place, by its name, or left to its default."""
    assert Point(1, 2).as_dict() == {"x": 1, "y": 2}
    assert Point(y=2, x=1) == Point(1, 2)
    assert Point(1).y == 7
    assert Named(size=3).size == 3


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Point(), "not given: x"),
        (lambda: Point(1, 2, 3), "2 values in order, not 3"),
        (lambda: Point(1, x=2), "twice: x"),
        (lambda: Point(1, z=2), "no field: z"),
        (lambda: Named(3), "0 values in order, not 1"),
    ],
)
def test_wrong_fields_are_named(make, says):
    """A missing, unknown or doubled field is a TypeError that names it."""
    with pytest.raises(TypeError, match=says):
        make()


def test_post_init_may_refuse():
    """A subclass checks its fields when an object is made."""
    with pytest.raises(ValueError, match="negative"):
        Named(size=-1)


def test_nothing_changes():
    """No field can be set, deleted or added."""
    point = Point(1, 2)
    with pytest.raises(AttributeError, match="cannot be changed"):
        point.x = 3
    with pytest.raises(AttributeError, match="cannot be changed"):
        del point.x
    with pytest.raises(AttributeError, match="cannot be changed"):
        point.z = 3
    assert not hasattr(point, "__dict__")
    assert point == Point(1, 2)


def test_equality_hash_and_text():
    """Equal are objects of one class with equal fields; repr names the fields."""
    assert Point(1, 2) != Point(1, 3)
    assert Point(1, 2) != (1, 2)
    assert len({Point(1, 2), Point(1, 2), Point(2, 1)}) == 2
    assert repr(Point(1, 2)) == "Point(x=1, y=2)"
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


@pytest.mark.parametrize(
    "one",
    [
        securemem.statistics(),
        securemem.SecureBytes.zeros(1).protection,
        securemem.locking.lock_limit(),
        PosixSupport(None, 200809, 4096),
    ],
    ids=lambda one: type(one).__name__,
)
def test_pickle_and_copy(one):
    """Each public one survives pickling and copying, and stays frozen."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(one, protocol)) == one
    same = copy.deepcopy(one)
    assert same == one == copy.copy(one)
    with pytest.raises(AttributeError):
        setattr(same, next(iter(same.as_dict())), None)


def test_a_changed_one_is_another():
    """`__replace__`, which copy.replace of Python 3.13 calls, makes a new object and checks it."""
    point = Point(1, 2)
    assert point.__replace__(y=3) == Point(1, 3)
    assert point == Point(1, 2)
    with pytest.raises(ValueError, match="negative"):
        Named().__replace__(size=-2)
