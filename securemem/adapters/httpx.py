"""Authentication for `httpx` that makes the header when a request is sent. Needs the package httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from httpx import Auth

from securemem.adapters._headers import basic, bearer

if TYPE_CHECKING:
    from collections.abc import Generator

    from httpx import Request, Response

    from securemem.secure_bytes import SecureBytes

__all__ = ["HttpxBasicAuth", "HttpxBearerAuth"]


class HttpxBasicAuth(Auth):
    """Basic authentication: give it as auth= of a request or a client.

    user: the name. password: stays in locked memory; each request's header has a copy, for as long as the request
    and its response live. Source: RFC 7617.
    """

    def __init__(self, user: str, password: SecureBytes) -> None:
        self._user, self._password = user, password

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Set the header."""
        request.headers["Authorization"] = basic(self._user, self._password)
        yield request


class HttpxBearerAuth(Auth):
    """A token of the kind Bearer: give it as auth= of a request or a client.

    token: stays in locked memory; each request's header has a copy, for as long as the request and its response live.
    Source: RFC 6750.
    """

    def __init__(self, token: SecureBytes) -> None:
        self._token = token

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Set the header."""
        request.headers["Authorization"] = bearer(self._token)
        yield request
