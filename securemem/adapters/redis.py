"""Connections of `redis` with a password from locked memory. Needs the package redis."""

from __future__ import annotations

from typing import Any

from redis import CredentialProvider

from securemem.secure_bytes import SecureBytes

__all__ = ["SecretCredentials"]


class SecretCredentials(CredentialProvider):
    """Logs connections in: redis.Redis(credential_provider=SecretCredentials(password)).

    Each connection that the client makes, or makes again, sends the password from where it lies: no str or bytes is
    made of it. redis.asyncio joins what it sends, and leaves a copy in memory that it frees. A URL or password= would
    have the client keep a str.

    password: stays in locked memory; wipe it when no more connections are to be made. user: the name of a user of the
    server (its ACL); None: the server's default user.

    Raises TypeError for a password that is not a SecureBytes. The client raises what redis raises, and WipedError where
    it connects after the password is wiped. Source: Redis, AUTH and HELLO.
    """

    def __init__(self, password: SecureBytes, user: str | None = None) -> None:
        if not isinstance(password, SecureBytes):
            raise TypeError(f"the password must be SecureBytes, not {type(password).__name__}")
        self._password, self._user = password, user

    def get_credentials(self) -> Any:  # declared as of str; a buffer is sent as it is
        """What the client sends: a view of the password, which ends when the client drops it."""
        view = memoryview(self._password)
        return (view,) if self._user is None else (self._user, view)

    async def get_credentials_async(self) -> Any:
        """What redis.asyncio sends."""
        return self.get_credentials()
