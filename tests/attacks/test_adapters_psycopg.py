"""An attacker reads the memory of a process that connects to PostgreSQL, with the adapter and as programs do today."""

from __future__ import annotations

import os
import secrets

import pytest

from tests.support.key_schedules import every_form_of
from tests.support.postgres import running

psycopg = pytest.importorskip("psycopg", reason="the extra psycopg is not installed")

LIFE = """
import psycopg
from securemem import doors
from securemem.adapters.psycopg import SecretConnector
stand_still()
key = doors.read_file("key")
one = SecretConnector(key, host={host!r}, user="key", dbname="postgres")()
two = psycopg.connect(password=open("control").read(), host={host!r}, user="control", dbname="postgres")
stand_still()
one.close(); key.wipe()
stand_still()
"""


def test_copies(prey, tmp_path):
    """While it is connected libpq has two copies and leaves them, as the page says; none is there before.

    It had three in one run on a busy machine: how many stay in freed memory depends on what came to lie there later.
    """
    with running("the-first-password") as folder:
        attacked = prey(LIFE.format(host=str(folder)))
        attacked.wait()
        first = psycopg.connect(
            host=str(folder), user="app", dbname="postgres", password="the-first-password", autocommit=True
        )
        with first as connection:
            for name in ("key", "control"):
                value = secrets.token_urlsafe(24)
                setattr(attacked, name, every_form_of(value.encode()))
                connection.execute(f"create role {name} login password '{value}'")
                file = os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT, 0o600)
                os.write(file, value.encode())
                os.close(file)
        assert attacked.scan() == ((0, 0), (0, 0))
        attacked.next()
        held = attacked.scan()
        locked, outside = held.key
        assert locked == 1
        assert outside in {2, 3}
        assert held.control[1] > outside
        attacked.next()
        assert attacked.scan().key == (0, outside)
