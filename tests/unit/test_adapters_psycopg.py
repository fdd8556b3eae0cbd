"""Connections to a real PostgreSQL server that asks for a password, by psycopg and SQLAlchemy."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from securemem import SecureBytes
from securemem.exceptions import InvalidArgumentError, WipedError
from tests.support.postgres import running

psycopg = pytest.importorskip("psycopg", reason="the extra psycopg is not installed")

from securemem.adapters.psycopg import SecretConnector  # noqa: E402 - needs it

PASSWORD = 'p:a\\ss w"o€rd\\:-of-the-test'


@pytest.fixture(scope="module")
def server():
    """The folder with a server's socket."""
    with running(PASSWORD) as folder:
        yield folder


def connector(server, password=PASSWORD, **more):
    """A connector for the server."""
    return SecretConnector(
        SecureBytes.copy_of(password.encode()), host=str(server), user="app", dbname="postgres", **more
    )


def test_a_connection(server):
    """Colons, backslashes and other letters in the password; several connections; nothing left open."""
    before = set(Path("/proc/self/fd").iterdir())
    connect = connector(server, autocommit=True)
    with connect() as one, connect() as two:
        assert one.execute("select current_user").fetchone() == ("app",)
        assert two.execute("select 1").fetchone() == (1,)
        assert PASSWORD not in one.info.dsn + repr(one)
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_wrong_passwords(server):
    """Another password, or none: the server's refusal, without the password in it; the control is above."""
    for given in ("another-password", PASSWORD.replace("\\", "")):
        with pytest.raises(psycopg.OperationalError) as caught:
            connector(server, given)()
        assert given not in f"{caught.value}{caught.value!r}"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=str(server), user="app", dbname="postgres")


def test_refused_before_it_connects():
    """Other types, parameters that the connector gives, the end of a line within, a wiped password."""
    with pytest.raises(TypeError, match="SecureBytes"):
        SecretConnector("text")
    with pytest.raises(InvalidArgumentError, match="leave it out"):
        SecretConnector(SecureBytes.random(8), passfile="x")
    for end in ("\n", "\r", "\0"):
        with pytest.raises(InvalidArgumentError, match="strip_newline"):
            connector("/nowhere", f"abc{end}")()
    secret = SecureBytes.random(8)
    connect = SecretConnector(secret, host="/nowhere")
    secret.wipe()
    with pytest.raises(WipedError):
        connect()


def test_sqlalchemy(server):
    """An engine whose pool connects through it."""
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=connector(server))
        with engine.connect() as one, engine.connect() as two:
            assert one.execute(sqlalchemy.text("select current_user")).scalar_one() == "app"
            assert two.execute(sqlalchemy.text("select 1")).scalar_one() == 1
        engine.dispose()
    assert PASSWORD not in repr(engine)
