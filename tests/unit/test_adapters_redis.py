"""Connections to a real Redis server that asks for a password."""

from __future__ import annotations

import asyncio
import warnings

import pytest

from securemem import SecureBytes
from securemem.exceptions import WipedError
from tests.support.redis import running

redis = pytest.importorskip("redis", reason="the extra redis is not installed")

from redis.backoff import NoBackoff  # noqa: E402 - it is there where redis is
from redis.retry import Retry  # noqa: E402 - it is there where redis is

from securemem.adapters.redis import SecretCredentials  # noqa: E402 - needs it

PASSWORD, ANOTHER = "a pässword: of \\ the test", "of-a-user-of-the-acl"


@pytest.fixture(scope="module")
def port():
    """The port of a server."""
    with running(PASSWORD.replace("\\", "\\\\"), ("app", ANOTHER)) as one:
        yield one


def secret(text=PASSWORD):
    """A password."""
    return SecureBytes.copy_of(text.encode())


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_connection(port, protocol):
    """Both protocols, several connections of a pool, the default user and another; no view of the password is left."""
    for password, user in ((secret(), None), (secret(ANOTHER), "app")):
        provider = SecretCredentials(password, user)
        with redis.Redis(port=port, credential_provider=provider, protocol=protocol) as client:
            with client.client(), client.client():
                assert client.ping()
            client.set("key", "value")
            assert client.get("key") == b"value"
            client.connection_pool.disconnect()
            assert client.get("key") == b"value"  # it has connected again
            assert client.acl_whoami() in {user or "default", (user or "default").encode()}
            password.wipe()  # refused while a view of it is open
            client.connection_pool.disconnect()
            with pytest.raises(WipedError):
                client.ping()


def test_a_connection_of_asyncio(port):
    """The same client, on an event loop."""
    import redis.asyncio

    async def ask():
        async with redis.asyncio.Redis(port=port, credential_provider=SecretCredentials(secret())) as client:
            return await client.ping()

    assert asyncio.run(ask())


def test_wrong_passwords(port):
    """Another password, or none: the server's refusal, without the password in it."""
    for provider in (SecretCredentials(secret("another-password")), None):
        with redis.Redis(port=port, credential_provider=provider, retry=Retry(NoBackoff(), 0)) as client:
            with pytest.raises(redis.AuthenticationError) as caught:
                client.ping()
            assert "another-password" not in f"{caught.value}{caught.value!r}"


def test_what_is_no_secret():
    """Text and bytes are refused; the control for the client: it takes no SecureBytes as password=, but it says so."""
    for value in ("text", b"bytes"):
        with pytest.raises(TypeError, match="SecureBytes"):
            SecretCredentials(value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(redis.DataError, match="SecureBytes"):
            redis.connection.Encoder("utf-8", "strict", False).encode(secret())
