"""Requests of `boto3` signed under a secret access key in locked memory. Needs the package boto3."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Any

import boto3.session
import botocore.session
from botocore import auth
from botocore.credentials import CredentialProvider, Credentials, ReadOnlyCredentials

from securemem._binding.operations import operate
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from securemem._types import Scope

__all__ = ["SecretCredentials", "SecretProvider", "secret_session"]

_DEPTH = 64 * 1024
_START = b"AWS4"
_DIGEST = 32


def _sign_v4(scope: Scope, secret: SecureBytes, names: tuple[str, ...], text: str) -> str:
    """The signature of a text, under a key that is derived name by name."""
    view = scope.read(secret, "the secret access key")
    key = SecureBytes.zeros(len(_START) + len(view))
    target = scope.write(key, "the key")
    target[: len(_START)], target[len(_START) :] = _START, view
    for name in names:
        derived = SecureBytes.zeros(_DIGEST)
        scope.receive(scope.write(derived, "the key"), hmac.digest, scope.read(key, "the key"), name.encode(), "sha256")
        key = derived
    return hmac.digest(scope.read(key, "the key"), text.encode(), "sha256").hex()


class _SignatureV4:
    """Before a signer of botocore's: what it does with a str, it does with a SecureBytes too."""

    credentials: Any
    _region_name: str
    _service_name: str

    def signature(self, string_to_sign: str, request: Any) -> str:
        secret = self.credentials.secret_key
        if not isinstance(secret, SecureBytes):
            signer: Any = super()
            return signer.signature(string_to_sign, request)
        names = (request.context["timestamp"][:8], self._region_name, self._service_name, "aws4_request")
        return operate(_DEPTH, _sign_v4, secret, names, string_to_sign)


class _SignatureV2:
    """The same for S3's older signatures."""

    credentials: Any

    def sign_string(self, string_to_sign: str) -> str:
        secret = self.credentials.secret_key
        if not isinstance(secret, SecureBytes):
            signer: Any = super()
            return signer.sign_string(string_to_sign)
        return base64.b64encode(hmac.digest(secret, string_to_sign.encode(), "sha1")).decode()


_SIGNERS: dict[str, tuple[type, type]] = {
    "v4": (_SignatureV4, auth.SigV4Auth),
    "v4-query": (_SignatureV4, auth.SigV4QueryAuth),
    "s3v4": (_SignatureV4, auth.S3SigV4Auth),
    "s3v4-query": (_SignatureV4, auth.S3SigV4QueryAuth),
    "s3v4-presign-post": (_SignatureV4, auth.S3SigV4PostAuth),
    "s3": (_SignatureV2, auth.HmacV1Auth),
    "s3-query": (_SignatureV2, auth.HmacV1QueryAuth),
    "s3-presign-post": (_SignatureV2, auth.HmacV1PostAuth),
}


def _accept_secrets() -> None:
    for name, bases in _SIGNERS.items():
        if not issubclass(auth.AUTH_TYPE_MAPS[name], bases[0]):
            auth.AUTH_TYPE_MAPS[name] = type(bases[1].__name__, bases, {})


class SecretCredentials(Credentials):
    """Credentials whose secret access key is a SecureBytes, which stays in locked memory.

    access_key: the access key id, which is no secret. secret_key: the secret access key, as its text; wipe it when no
    more requests are to be made. token: of temporary credentials; boto3 sends it, and keeps it as str.

    The first one replaces botocore's signers (Signature Version 4, and Version 2 for S3) by ones that take a
    SecureBytes beside str, for the whole process: make it at the start, before threads sign.

    Raises TypeError for a secret_key of another type. A request under a wiped one raises WipedError; one that is to be
    signed in another way (SigV4a, the old versions of other services) raises AttributeError. Source: AWS, "Signature
    Version 4 signing process".
    """

    def __init__(self, access_key: str, secret_key: SecureBytes, token: str | None = None) -> None:
        if not isinstance(secret_key, SecureBytes):
            raise TypeError(f"the secret access key must be SecureBytes, not {type(secret_key).__name__}")
        _accept_secrets()
        super().__init__(access_key, secret_key, token, method=SecretProvider.METHOD)

    def _normalize(self) -> None:
        """Leave them as they are; botocore's makes str of bytes."""

    def get_frozen_credentials(self) -> Any:
        """What a signer gets."""
        return ReadOnlyCredentials(self.access_key, self.secret_key, self.token, self.account_id)


class SecretProvider(CredentialProvider):
    """Provides SecretCredentials to a session of botocore, for those that have other providers too.

    credentials: what it provides. secret_session() makes a session that has it as its first.
    """

    METHOD = "securemem"

    def __init__(self, credentials: SecretCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Any:
        """The SecretCredentials."""
        return self._credentials


def secret_session(
    access_key: str, secret_key: SecureBytes, token: str | None = None, **options: Any
) -> boto3.session.Session:
    """Make a boto3 session whose clients sign under a key in locked memory.

    access_key, secret_key, token: as of SecretCredentials. options: those of boto3.Session, such as region_name.

    Raises what SecretCredentials and boto3.Session raise.
    """
    core = botocore.session.get_session()
    provider = SecretProvider(SecretCredentials(access_key, secret_key, token))
    core.get_component("credential_provider").providers.insert(0, provider)
    return boto3.Session(botocore_session=core, **options)
