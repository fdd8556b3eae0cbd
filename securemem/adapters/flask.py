"""Sessions of `Flask` signed under a key that stays in locked memory. Needs the package Flask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from securemem.adapters.itsdangerous import SecretTimestampSigner
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from typing import Any

    from flask import Flask

__all__ = ["SecretSessions"]


class SecretSessions(SecureCookieSessionInterface):
    """Flask's sessions in signed cookies, under a SecureBytes: app.session_interface = SecretSessions(key).

    Flask's own keeps app.secret_key as str or bytes; leave that out. The cookies are the same: those that Flask signed
    under the same bytes are read. The session's contents are signed, not encrypted.

    key: signs. fallbacks: keys that are still read, for a rotation. Raises TypeError for a key of another type; a
    request under a wiped key raises WipedError.
    """

    def __init__(self, key: SecureBytes, *fallbacks: SecureBytes) -> None:
        self._keys = [*fallbacks, key]
        if not all(isinstance(one, SecureBytes) for one in self._keys):
            raise TypeError("the keys of sessions must be SecureBytes: doors.read_credential() gives one")

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer:
        """What signs and reads the cookies."""
        del app  # its secret_key is not used
        keys: Any = self._keys  # the serializer hands them to the signer, which takes SecureBytes
        return URLSafeTimedSerializer(
            keys,
            salt=self.salt,
            serializer=self.serializer,
            signer=SecretTimestampSigner,
            signer_kwargs={"key_derivation": self.key_derivation, "digest_method": self.digest_method},
        )
