"""An attacker reads the memory of a process that connects to Redis, with the adapter and as programs do today."""

from __future__ import annotations

import secrets

import pytest

from tests.support.key_schedules import every_form_of
from tests.support.redis import running

pytest.importorskip("redis", reason="the extra redis is not installed")

LIFE = """
import redis
from securemem import doors
from securemem.adapters.redis import SecretCredentials
stand_still()
key = doors.read_file("key")
one = redis.Redis(port={port}, credential_provider=SecretCredentials(key, "key"))
one.ping(); one.connection_pool.disconnect(); one.ping()
two = redis.Redis(port={port}, username="control", password=open("control").read())
two.ping()
stand_still()
one.close(); key.wipe()
stand_still()
"""


def test_copies(prey, tmp_path):
    """While it is connected there is the locked copy alone; none before, and none after it is wiped."""
    values = {name: secrets.token_urlsafe(24) for name in ("key", "control")}
    with running("of the default user", *values.items()) as port:
        attacked = prey(LIFE.format(port=port))
        attacked.wait()
        for name, value in values.items():
            setattr(attacked, name, every_form_of(value.encode()))
            (tmp_path / name).write_text(value)
            (tmp_path / name).chmod(0o600)
        assert attacked.scan() == ((0, 0), (0, 0))
        attacked.next()
        held = attacked.scan()
        assert held.key == (1, 0)
        assert held.control[1] >= 1
        attacked.next()
        assert attacked.scan().key == (0, 0)
