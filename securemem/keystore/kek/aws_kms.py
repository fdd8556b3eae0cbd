"""A key-encryption key of the AWS Key Management Service (KMS), which never gives it out.

The client is boto3's. It sends and receives JSON, and so leaves copies of the 32 bytes that the service seals (not of
the root key) in ordinary memory. How many stay is in the guide to key services; `securemem run` clears them when freed.
Source: the KMS API, Encrypt, Decrypt and ReEncrypt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from securemem import doors
from securemem.keystore.kek._service import AWAY, REFUSED, WRONG, ServiceKey

if TYPE_CHECKING:
    from securemem._types import Scope
    from securemem.secure_bytes import SecureBytes

__all__ = ["AwsKms"]

_WRONG = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_AWAY = frozenset(
    {"DependencyTimeoutException", "KMSInternalException", "ThrottlingException", "KeyUnavailableException"}
    | {"InternalFailure", "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException"}
)


class AwsKms(ServiceKey):
    """A symmetric KMS key that wraps and unwraps keys by Encrypt and Decrypt requests, one for each.

    client: `boto3.client("kms", config=Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1}))`;
        its timeouts are those of each request, and its own retries come beside ours.
    key_id: the key's id, ARN or alias.
    context: an encryption context to bind, as key policies and CloudTrail see it; what is wrapped is bound in any case.
    attempts: how often the service is asked while it is away or overloaded; between two lies a random time that
        doubles, from 0.1 s on.

    Raises InvalidArgumentError for no attempts.
    """

    __slots__ = ("_client", "_context", "_key_id")
    _MAGIC = b"ska\x01"
    _NAME = "AWS KMS"

    def __init__(self, client: Any, key_id: str, *, context: dict[str, str] | None = None, attempts: int = 4) -> None:
        super().__init__(attempts)
        self._client = client
        self._key_id = key_id
        self._context = dict(context or {})

    def rewrap(self, wrapped: bytes) -> bytes:
        """What wrap() gave, sealed anew by the key as it is now; nothing is in clear on the way.

        Raises DecryptionError for what wrap() did not give, KeyServiceError where the service is away or refuses.
        """
        sealed, ciphertext = self._parts(wrapped)

        def ask() -> bytes:
            answer = self._client.re_encrypt(
                CiphertextBlob=sealed,
                SourceEncryptionContext=self._context,
                DestinationEncryptionContext=self._context,
                SourceKeyId=self._key_id,
                DestinationKeyId=self._key_id,
            )
            return bytes(answer["CiphertextBlob"])

        return self._head(self._asked(ask, WRONG)) + ciphertext

    def _seal(self, _scope: Scope, own: SecureBytes, _context: bytes) -> bytes:
        encrypt = self._client.encrypt
        answer = doors.with_bytes(
            own, lambda plain: encrypt(KeyId=self._key_id, Plaintext=plain, EncryptionContext=self._context)
        )
        return bytes(answer["CiphertextBlob"])

    def _unseal(self, scope: Scope, sealed: bytes, _context: bytes, own: SecureBytes) -> None:
        decrypt = self._client.decrypt
        scope.receive(
            scope.write(own, "the key"),
            lambda: decrypt(KeyId=self._key_id, CiphertextBlob=sealed, EncryptionContext=self._context)["Plaintext"],
        )

    def _judged(self, error: Exception) -> str | None:
        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            return WRONG if code in _WRONG else AWAY if code in _AWAY else REFUSED
        if isinstance(error, ParamValidationError):
            return None
        return AWAY if isinstance(error, BotoCoreError) else None

    def __repr__(self) -> str:
        """Tell the key's id."""
        return f"<AwsKms: {self._key_id}>"
