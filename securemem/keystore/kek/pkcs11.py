"""A key-encryption key in a PKCS#11 token: a smart card, a hardware security module, or software that acts as one.

python-pkcs11 takes and gives bytes: copies of the 32 bytes that the token seals (not of the root key) pass through
ordinary memory. How many stay is in the guide to key services.
Source: PKCS #11 (OASIS), CKM_AES_GCM.
"""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING, Any

import pkcs11
from pkcs11 import GCMParams, Mechanism
from pkcs11.exceptions import (
    DataInvalid,
    DataLenRange,
    DeviceError,
    DeviceRemoved,
    EncryptedDataInvalid,
    EncryptedDataLenRange,
    GeneralError,
    PKCS11Error,
    SessionClosed,
    SessionHandleInvalid,
    TokenNotPresent,
)

from securemem import doors
from securemem.keystore.kek._service import AWAY, REFUSED, WRONG, ServiceKey

if TYPE_CHECKING:
    from securemem._types import Scope
    from securemem.secure_bytes import SecureBytes

__all__ = ["Pkcs11"]

_NONCE = 12
_TAG_BITS = 128
_WRONG = (EncryptedDataInvalid, EncryptedDataLenRange, DataInvalid, DataLenRange, GeneralError)  # the last: SoftHSM
_AWAY = (DeviceError, DeviceRemoved, TokenNotPresent, SessionClosed, SessionHandleInvalid)


class Pkcs11(ServiceKey):
    """An AES key of a token that wraps and unwraps keys by AES-GCM, under random nonces.

    key: a pkcs11.SecretKey of type AES that may encrypt and decrypt, of an open session.
        `doors.with_str(pin, lambda pin: token.open(user_pin=pin))` opens one and wipes its copy of the PIN.
    attempts: how often the token is asked where it fails.

    At most 2**32 wrappings by one key (NIST SP 800-38D). One session serves one thread at a time.

    Raises InvalidArgumentError for no attempts.
    """

    __slots__ = ("_key",)
    _MAGIC = b"skp\x01"
    _NAME = "the token"

    def __init__(self, key: pkcs11.SecretKey, *, attempts: int = 2) -> None:
        super().__init__(attempts)
        self._key: Any = key

    def _parameters(self, nonce: bytes, context: bytes) -> dict[str, Any]:
        aad = self._MAGIC + context
        return {"mechanism": Mechanism.AES_GCM, "mechanism_param": GCMParams(nonce, aad, _TAG_BITS)}

    def _seal(self, _scope: Scope, own: SecureBytes, context: bytes) -> bytes:
        nonce = urandom(_NONCE)
        words = self._parameters(nonce, context)
        return nonce + bytes(doors.with_bytes(own, lambda plain: self._key.encrypt(plain, **words)))

    def _unseal(self, scope: Scope, sealed: bytes, context: bytes, own: SecureBytes) -> None:
        words = self._parameters(sealed[:_NONCE], context)
        scope.receive(scope.write(own, "the key"), lambda: self._key.decrypt(sealed[_NONCE:], **words))

    def _judged(self, error: Exception) -> str | None:
        if isinstance(error, _WRONG):
            return WRONG
        if isinstance(error, _AWAY):
            return AWAY
        return REFUSED if isinstance(error, PKCS11Error) else None

    def __repr__(self) -> str:
        """Tell the key's label."""
        return f"<Pkcs11: {self._key.label!r}>"
