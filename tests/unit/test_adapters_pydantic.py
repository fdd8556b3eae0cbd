"""The field type for pydantic, and the source for pydantic-settings, with the real packages."""

from __future__ import annotations

import json
import traceback

import pytest

from securemem import SecureBytes

pydantic = pytest.importorskip("pydantic", reason="the extra pydantic is not installed")

from securemem.adapters.pydantic import SecretField, SecretFile, SecretModel, SecureSecret  # noqa: E402 - needs it

VALUE = "hunter2-and-more"


class Plain(pydantic.BaseModel):
    """A model of the everyday kind."""

    token: SecureSecret
    other: int = 1


class Inner(pydantic.BaseModel):
    """A model within one."""

    password: SecureSecret
    port: int


class Careful(SecretModel):
    """A model whose errors show nothing."""

    token: SecureSecret
    file: SecretFile | None = None
    inner: Inner | None = None
    other: int


@pytest.mark.parametrize("text", ["x", VALUE, "hünter", "€", "😀 é€", "\x7f\x80\u07ff\u0800\uffff\U00010000"])
def test_from_str_and_bytes(text):
    """UTF-8 of any width; bytes, bytearray and memoryview; a SecureBytes is kept as it is."""
    encoded = text.encode()
    for given in (text, encoded, bytearray(encoded), memoryview(encoded)):
        model = Plain(token=given)
        assert isinstance(model.token, SecureBytes)
        assert model.token == encoded
    secret = SecureBytes.copy_of(encoded)
    assert Plain(token=secret).token is secret
    assert Plain.model_validate({"token": text}) == Plain(token=encoded)


def test_from_a_file(tmp_path):
    """The file of the path is read, without its newline; one that others may read is refused."""
    path = tmp_path / "secret"
    path.write_text(f"{VALUE}\n")
    path.chmod(0o600)
    assert Careful(token=VALUE, file=path, other=1).file == VALUE.encode()
    assert Careful(token=VALUE, file=str(path), other=1).file == VALUE.encode()
    path.chmod(0o644)
    with pytest.raises(pydantic.ValidationError, match="chmod 600"):
        Careful(token=VALUE, file=path, other=1)


def test_masked():
    """In repr, str, dumps, JSON and schema; the object itself is in the Python dump."""
    model = Plain(token=VALUE)
    shown = [repr(model), str(model), model.model_dump_json(), json.dumps(model.model_dump(mode="json"))]
    shown += [repr(model.model_dump()), json.dumps(Plain.model_json_schema())]
    assert not any(VALUE in text for text in shown)
    assert model.model_dump(mode="json") == {"token": "**********", "other": 1}
    assert model.model_dump()["token"] is model.token
    schema = Plain.model_json_schema()["properties"]["token"]
    assert (schema["type"], schema["format"], schema["writeOnly"]) == ("string", "password", True)
    assert Careful.model_json_schema()["properties"]["file"]["anyOf"][0]["format"] == "file-path"


def everything_of(error):
    """All that an error shows, its traceback's text without the lines of source, and its inner exceptions."""
    lines = "".join(traceback.format_exception_only(error))
    return f"{error}{error!r}{error.errors()}{error.json()}{lines}{error.__cause__!r}{error.__context__!r}"


class Control(pydantic.BaseModel):
    """Positive control: what pydantic shows of a str."""

    token: str
    other: int


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Plain, {"token": int.from_bytes(VALUE.encode())}),
        (Plain, {"token": [VALUE]}),
        (Plain, {"token": {"a": VALUE}}),
        (Plain, {"token": VALUE + "\ud800"}),
        (Careful, {"token": VALUE}),
        (Careful, {"token": [VALUE], "other": VALUE}),
        (Careful, {"token": VALUE, "other": VALUE}),
        (Careful, {"token": VALUE, "file": VALUE, "other": 1}),
        (Careful, {"token": VALUE, "inner": {"password": VALUE}, "other": 1}),
        (Careful, {"token": VALUE, "inner": VALUE, "other": 1}),
    ],
)
def test_an_error_never_shows_what_was_given(kind, given):
    """A wrong type, a missing field beside it, a model within, a secret given as a path."""
    with pytest.raises(pydantic.ValidationError) as caught:
        kind(**given)
    shown = everything_of(caught.value)
    assert VALUE not in shown
    assert str(int.from_bytes(VALUE.encode())) not in shown
    with pytest.raises(pydantic.ValidationError) as control:
        Control(token=VALUE)
    assert VALUE in everything_of(control.value)


@pytest.mark.parametrize("text", ['{{"token": "{}', '{{"token": "{}"}}', '["{}"]'])
def test_an_error_of_json_shows_none_of_it(text):
    """Cut short, without a field, and of another shape; the place in the JSON is told."""
    with pytest.raises(pydantic.ValidationError) as caught:
        Careful.model_validate_json(text.format(VALUE))
    assert VALUE not in everything_of(caught.value)
    with pytest.raises(pydantic.ValidationError) as control:
        Control.model_validate_json(text.format(VALUE))
    assert VALUE in everything_of(control.value)
    assert [one["type"] for one in caught.value.errors()] == [one["type"] for one in control.value.errors()]


def test_places_of_errors_are_kept():
    """An error within a model within says where it is, in pydantic's own words."""
    with pytest.raises(pydantic.ValidationError) as caught:
        Careful(token=VALUE, inner={"password": VALUE}, other=1)
    (one,) = caught.value.errors()
    assert (one["loc"], one["type"], one["msg"]) == (("inner", "port"), "missing", "Field required")


def test_lengths():
    """Too short, too long, empty, wiped: said, and not shown."""

    class Sized(pydantic.BaseModel):
        key: pydantic.SkipValidation[None] | None = None
        secret: pydantic.types.Annotated[SecureBytes, SecretField(min_length=8, max_length=16)]

    assert Sized(secret=b"x" * 16).secret == b"x" * 16
    wiped = SecureBytes.random(8)
    wiped.wipe()
    for given, reason in (
        ("1234567", "at least 8 and at most 16"),
        (b"x" * 17, "at most 16"),
        ("", "empty"),
        (wiped, "wiped"),
    ):
        with pytest.raises(pydantic.ValidationError, match=reason) as caught:
            Sized(secret=given)
        assert "1234567" not in everything_of(caught.value)
    with pytest.raises(ValueError, match="min_length"):
        SecretField(min_length=0)


def test_settings_from_credentials(tmp_path, monkeypatch):
    """Secrets come from the folder of credentials, the rest from the environment; a missing one is told by name."""
    settings = pytest.importorskip("pydantic_settings", reason="the extra pydantic-settings is not installed")
    from securemem.adapters.pydantic_settings import CredentialsSource

    class Settings(SecretModel, settings.BaseSettings):
        token: SecureSecret
        password: SecureSecret = pydantic.Field(alias="database-password")
        spare: SecureSecret | None = None
        port: int = 1

        @classmethod
        def settings_customise_sources(cls, settings_cls, env_settings, **_):
            return (CredentialsSource(settings_cls, tmp_path / "last"), env_settings)

    (tmp_path / "last").mkdir()
    (tmp_path / "token").write_text(f"{VALUE}\n")
    (tmp_path / "last/database-password").write_text("another")
    (tmp_path / "port").write_text("99")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("PORT", "7")
    found = Settings()
    assert found.token == VALUE.encode()
    assert found.password == b"another"
    assert (found.spare, found.port) == (None, 7)
    assert VALUE not in repr(found) + found.model_dump_json()
    (tmp_path / "last/spare").write_text("third")
    assert Settings().spare == b"third"
    (tmp_path / "last/database-password").unlink()
    with pytest.raises(pydantic.ValidationError) as caught:
        Settings()
    assert [one["loc"] for one in caught.value.errors()] == [("database-password",)]
    assert VALUE not in everything_of(caught.value)
