"""A field type for `pydantic` whose value is a SecureBytes. Needs the package pydantic."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError, core_schema

from securemem._binding.operations import operate
from securemem.doors import read_file
from securemem.exceptions import InvalidArgumentError, SecureMemError
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import InitErrorDetails

    from securemem._types import Scope

__all__ = ["SecretField", "SecretFile", "SecretModel", "SecureSecret"]

_DEPTH = 64 * 1024
_MASK = "**********"


class _Withheld:
    """Stands in an error for what was given."""

    def __init__(self, kind: str, reason: str = "") -> None:
        self.kind, self.reason = kind, reason

    def __repr__(self) -> str:
        return f"<{self.kind}, withheld>"


def _encode(scope: Scope, text: str) -> SecureBytes:
    if len(text) == 1:  # Python shares the bytes of one character: they cannot be wiped
        return SecureBytes.copy_of(text.encode())
    size = len(text) if text.isascii() else sum(1 + (c > "\x7f") + (c > "\u07ff") + (c > "\uffff") for c in text)
    secret = SecureBytes.zeros(size)
    scope.receive(scope.write(secret, "the secret"), text.encode)
    return secret


def _from_file(path: object) -> SecureBytes | _Withheld:
    if not isinstance(path, str | os.PathLike):
        return _Withheld(type(path).__name__, "it must be a path")
    try:
        return read_file(path, strip_newline=True)
    except SecureMemError as error:  # without the path: it may be the secret, given by mistake
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _Withheld("path", f"{type(error).__name__}: {said}")


def _from_value(value: object) -> SecureBytes | _Withheld:
    kind = type(value).__name__
    try:
        if isinstance(value, str):
            return operate(_DEPTH, _encode, value) if value else _Withheld(kind, "it is empty")
        if isinstance(value, bytes | bytearray | memoryview):
            return SecureBytes.copy_of(value) if len(value) else _Withheld(kind, "it is empty")
    except UnicodeEncodeError:
        return _Withheld(kind, "it has half of a surrogate pair")
    except (SecureMemError, BufferError) as error:
        return _Withheld(kind, f"{type(error).__name__}: {error}")
    return _Withheld(kind, "it must be SecureBytes, str or bytes")


def _mask(_value: object) -> str:
    return _MASK


class SecretField:
    """Makes a field of type SecureBytes one that pydantic can fill: Annotated[SecureBytes, SecretField(min_length=8)].

    file: the value given is the path of a file, whose bytes are the secret, without one newline at the end; the file
    must be its owner's only, as for doors.read_file. min_length, max_length: bytes of the secret. Give lengths here and
    not by pydantic's Field(), whose errors show what was given.
    """

    __slots__ = ("_file", "_longest", "_shortest")

    def __init__(self, *, file: bool = False, min_length: int = 1, max_length: int | None = None) -> None:
        if min_length < 1 or (max_length is not None and max_length < min_length):
            raise InvalidArgumentError("min_length must be 1 or more, and max_length not less than it")
        self._file, self._shortest, self._longest = file, min_length, max_length

    def _taken(self, value: object) -> SecureBytes | _Withheld:
        """Find the secret; what cannot be one is replaced before an error can show it."""
        if isinstance(value, SecureBytes):
            return value
        return _from_file(value) if self._file else _from_value(value)

    def _checked(self, value: SecureBytes | _Withheld) -> SecureBytes:
        if isinstance(value, _Withheld):
            raise PydanticCustomError(
                "secret_type", "this is not a secret: {reason}", {"given": value.kind, "reason": value.reason}
            )
        if value.wiped:
            raise PydanticCustomError("secret_wiped", "the secret is wiped: give one that is not")
        if len(value) < self._shortest or (self._longest is not None and len(value) > self._longest):
            most = "" if self._longest is None else f" and at most {self._longest}"
            raise PydanticCustomError(
                "secret_length",
                "the secret must have at least {least}{most} bytes",
                {"least": self._shortest, "most": most},
            )
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """What pydantic asks for: take, check, mask."""
        del source, handler  # the schema does not depend on them
        return core_schema.chain_schema(
            [
                core_schema.no_info_plain_validator_function(self._taken),
                core_schema.no_info_plain_validator_function(self._checked),
            ],
            serialization=core_schema.plain_serializer_function_ser_schema(
                _mask, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """A string that is written and not read."""
        del schema, handler
        kind = "file-path" if self._file else "password"
        return {"type": "string", "format": kind, "writeOnly": True}


SecureSecret = Annotated[SecureBytes, SecretField()]
"""A field filled from a SecureBytes, which it keeps, or from str or bytes, of which it makes a locked copy."""

SecretFile = Annotated[SecureBytes, SecretField(file=True)]
"""A field filled from a SecureBytes, or from the path of a file that is read straight into locked memory."""


def _without_inputs(error: ValidationError) -> list[InitErrorDetails]:
    """Each error as it was, but for what was given."""
    make: Any = PydanticCustomError  # its type wants literals; a str does as well
    return [
        {
            "type": make(one["type"], one["msg"].replace("{", "(").replace("}", ")")),
            "loc": one["loc"],
            "input": one["input"] if isinstance(one["input"], _Withheld) else _Withheld(type(one["input"]).__name__),
        }
        for one in error.errors(include_url=False, include_context=False)
    ]


class SecretModel(BaseModel):
    """A model whose errors never show what was given: derive from it where a field is a secret.

    pydantic's error for a missing field shows all fields that were given, as they were given: a secret among them. This
    model puts "withheld" there, also for the models within it. It keeps no JSON strings in pydantic's cache.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(cache_strings="keys", hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _withhold(cls, value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            found = _without_inputs(error)
        raise ValidationError.from_exception_data(cls.__name__, found, hide_input=True)

    @classmethod
    def model_validate_json(cls, *arguments: Any, **options: Any) -> Any:
        """Validate JSON as pydantic does; an error does not show the JSON."""
        try:
            return super().model_validate_json(*arguments, **options)
        except ValidationError as error:
            found = _without_inputs(error)
        raise ValidationError.from_exception_data(cls.__name__, found, "json", hide_input=True)
