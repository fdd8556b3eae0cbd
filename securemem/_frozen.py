"""Frozen: the base of small classes whose objects are made once, shown, compared, and never changed.

The standard library's `dataclasses` would bring `inspect` and `ast` with it, and these take longer to import than all
of securemem. A subclass lists its fields as annotations, as a dataclass does; type checkers read it as a frozen one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_ignored: bool) -> Callable[[type], type]:
        """Stand in for typing's, which only type checkers need."""
        return lambda made: made


class _FrozenType(type):
    """Makes a slot of each annotation, and remembers the defaults beside them."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, kw_only: bool = False
    ) -> _FrozenType:
        fields = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace.pop(field) for field in fields if field in namespace}
        added: dict[str, Any] = {"__slots__": fields, "__match_args__": () if kw_only else fields}
        added |= {"_fields": fields, "_defaults": defaults}
        return super().__new__(cls, name, bases, namespace | added)


@dataclass_transform(frozen_default=True)
class Frozen(metaclass=_FrozenType):
    """The base: fields in order or by name, repr, equality, hash, pickling, and `as_dict()`.

    A subclass made with `kw_only=True` takes its fields by name only. `__post_init__` may check them, and raise.
    """

    if TYPE_CHECKING:
        __match_args__: ClassVar[tuple[str, ...]]
        _fields: ClassVar[tuple[str, ...]]
        _defaults: ClassVar[dict[str, Any]]

    def __init__(self, *values: object, **named: object) -> None:
        """Take a value for each field; TypeError where one is missing, unknown or given twice."""
        name, ordered = type(self).__name__, dict(zip(self.__match_args__, values, strict=False))
        if len(values) > len(ordered):
            raise TypeError(f"{name} takes {len(self.__match_args__)} values in order, not {len(values)}")
        if twice := ordered.keys() & named.keys():
            raise TypeError(f"{name} was given twice: {', '.join(sorted(twice))}")
        given = {**self._defaults, **ordered, **named}
        if missing := [field for field in self._fields if field not in given]:
            raise TypeError(f"{name} was not given: {', '.join(missing)}")
        if unknown := given.keys() - set(self._fields):
            raise TypeError(f"{name} has no field: {', '.join(sorted(unknown))}")
        for field, value in given.items():
            object.__setattr__(self, field, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        """Check the fields; a subclass may say how."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by their names, in order."""
        return {field: getattr(self, field) for field in self._fields}

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: AttributeError."""
        raise AttributeError(f"a {type(self).__name__} cannot be changed: make another one")

    def __delattr__(self, name: str) -> None:
        """Refuse: AttributeError."""
        raise AttributeError(f"a {type(self).__name__} cannot be changed: make another one")

    def __replace__(self, **changes: object) -> Self:
        """Make another one with some fields changed; `copy.replace` of Python 3.13 calls it."""
        return type(self)(**{**self.as_dict(), **changes})

    def __repr__(self) -> str:
        """Show every field."""
        fields = ", ".join(f"{field}={value!r}" for field, value in self.as_dict().items())
        return f"{type(self).__qualname__}({fields})"

    def __eq__(self, other: object) -> bool:
        """Whether the other is of the same type and has the same fields."""
        if type(other) is not type(self):
            return NotImplemented
        return self.__getstate__() == other.__getstate__()

    def __hash__(self) -> int:
        """Hash the fields; TypeError where one has no hash."""
        return hash(self.__getstate__())

    def __getstate__(self) -> tuple[object, ...]:
        """Give the fields, in order, to pickle and copy."""
        return tuple(self.as_dict().values())

    def __setstate__(self, state: tuple[object, ...]) -> None:
        """Take the fields from pickle and copy."""
        for field, value in zip(self._fields, state, strict=True):
            object.__setattr__(self, field, value)
