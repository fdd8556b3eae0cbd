"""Authentication for `requests` that makes the header when a request is sent. Needs the package requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from requests.auth import AuthBase

from securemem.adapters._headers import basic, bearer

if TYPE_CHECKING:
    from requests import PreparedRequest

    from securemem.secure_bytes import SecureBytes

__all__ = ["RequestsBasicAuth", "RequestsBearerAuth"]


class RequestsBasicAuth(AuthBase):
    """Basic authentication: give it as auth= of a request or a session.

    user: the name. password: stays in locked memory; each request's header has a copy, for as long as the request
    and its response live. requests' own HTTPBasicAuth would send the repr of a SecureBytes. Source: RFC 7617.
    """

    def __init__(self, user: str, password: SecureBytes) -> None:
        self._user, self._password = user, password

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header."""
        request.headers["Authorization"] = basic(self._user, self._password)
        return request


class RequestsBearerAuth(AuthBase):
    """A token of the kind Bearer: give it as auth= of a request or a session.

    token: stays in locked memory; each request's header has a copy, for as long as the request and its response live.
    Source: RFC 6750.
    """

    def __init__(self, token: SecureBytes) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header."""
        request.headers["Authorization"] = bearer(self._token)
        return request
