"""A key-encryption key of the transit engine of OpenBao or HashiCorp Vault, which never gives it out.

The client is hvac. It sends and receives JSON, and so leaves copies of the 32 bytes that the service seals (not of the
root key) in ordinary memory. How many stay is in the guide to key services; `securemem run` clears them when freed.
Source: the HTTP API of the transit secrets engine.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

import requests
from hvac.api.secrets_engines.transit import Transit as Requests
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, Unauthorized, VaultError

from securemem import doors
from securemem.crypto._workspace import check_secret
from securemem.keystore.kek._service import AWAY, REFUSED, WRONG, ServiceKey
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing import Self

    import hvac

    from securemem._types import Scope

__all__ = ["Transit"]

_TEXT = 44  # 32 bytes by base64


class Transit(ServiceKey):
    """A key of the transit engine that wraps and unwraps keys by encrypt and decrypt requests, one for each.

    client: an hvac.Client; its timeout is that of each request. Where it has a token, hvac keeps that in ordinary
        memory.
    key: the name of a key that authenticates, such as of type aes256-gcm96, the engine's default.
    token: the client's token, in its place. It is in ordinary memory during a request, and wiped there after it.
    mount_point: where the engine is mounted.
    attempts: how often the service is asked while it is away, sealed or overloaded; between two lies a random time
        that doubles, from 0.1 s on.

    Threads may use one object at once: each request has the token to itself. They share the client's connections.

    Raises InvalidArgumentError for no attempts, TypeError for a token that is no SecureBytes.
    """

    __slots__ = ("_client", "_key", "_mount_point", "_role", "_token")
    _MAGIC = b"skv\x01"
    _NAME = "the transit engine"

    def __init__(
        self,
        client: hvac.Client,
        key: str,
        *,
        token: SecureBytes | None = None,
        mount_point: str = "transit",
        attempts: int = 4,
    ) -> None:
        super().__init__(attempts)
        if token is not None:
            check_secret(token, "the token")
        self._client: Any = client
        self._key = key
        self._token = token
        self._role: tuple[str, SecureBytes] | None = None
        self._mount_point = mount_point

    @classmethod
    def with_approle(
        cls,
        client: hvac.Client,
        key: str,
        *,
        role_id: str,
        secret_id: SecureBytes,
        mount_point: str = "transit",
        attempts: int = 4,
    ) -> Self:
        """By an AppRole: logs in before the first request, and again where the token was refused.

        secret_id: of the role, such as `doors.read_credential("secret_id")`; it must live as long as this object.
        """
        self = cls(client, key, mount_point=mount_point, attempts=attempts)
        check_secret(secret_id, "the secret id")
        self._role = role_id, secret_id
        return self

    def rewrap(self, wrapped: bytes) -> bytes:
        """What wrap() gave, sealed by the newest version of the engine's key; nothing is in clear on the way.

        Raises DecryptionError for what wrap() did not give, KeyServiceError where the service is away or refuses.
        """
        sealed, ciphertext = self._parts(wrapped)

        def ask() -> bytes:
            answer = self._request("rewrap_data", ciphertext=sealed.decode("ascii"))
            return str(answer["data"]["ciphertext"]).encode()

        return self._head(self._asked(ask, WRONG)) + ciphertext

    def _seal(self, _scope: Scope, own: SecureBytes, _context: bytes) -> bytes:
        with doors.encode_base64(own) as text:
            answer = doors.with_str(text, lambda plain: self._request("encrypt_data", plaintext=plain))
        return str(answer["data"]["ciphertext"]).encode()

    def _unseal(self, scope: Scope, sealed: bytes, _context: bytes, own: SecureBytes) -> None:
        def answer() -> bytes:
            answered = self._request("decrypt_data", ciphertext=sealed.decode("ascii"))
            return bytes(answered["data"]["plaintext"].encode())

        text = SecureBytes.zeros(_TEXT)  # wiped with the scope, which has views of it
        scope.receive(scope.write(text, "the answer"), answer)
        scope.write(own, "the key")[:] = scope.read(doors.decode_base64(text), "the answer")

    def _request(self, method: str, **words: str) -> Any:
        """A request with the token; by an AppRole, with another token where it must."""
        token = self._token
        if self._role is None:
            return self._with_token(token, method, words)
        if token is not None:
            try:
                return self._with_token(token, method, words)
            except Forbidden:
                pass  # the token ran out
        return self._with_token(self._log_in(*self._role), method, words)

    def _with_token(self, token: SecureBytes | None, method: str, words: dict[str, str]) -> Any:
        """One request. The token is put into a copy of the client's settings, which threads share, and goes with it."""

        def ask(text: str) -> Any:
            settings = copy(self._client.adapter)
            settings.token = text
            return getattr(Requests(settings), method)(name=self._key, mount_point=self._mount_point, **words)

        return ask(self._client.token) if token is None else doors.with_str(token, ask)

    def _log_in(self, role_id: str, secret_id: SecureBytes) -> SecureBytes:
        login = self._client.auth.approle.login
        answer = doors.with_str(secret_id, lambda text: login(role_id=role_id, secret_id=text, use_token=False))
        self._token = token = SecureBytes.take(bytearray(answer["auth"]["client_token"].encode()))
        return token

    def _judged(self, error: Exception) -> str | None:
        if isinstance(error, InvalidRequest):  # an altered ciphertext, or one of another key, among others
            return WRONG
        if isinstance(error, (Unauthorized, Forbidden, InvalidPath)):
            return REFUSED
        return AWAY if isinstance(error, (VaultError, requests.RequestException)) else None

    def __repr__(self) -> str:
        """Tell the key's name and place, and nothing of the token."""
        return f"<Transit: key {self._key!r} at {self._mount_point!r}>"
