"""A key-encryption key sealed by the machine's TPM 2.0, under a PIN if one is given: no other machine can open it.

tpm2-pytss takes and gives bytes: copies of the 32 bytes that the TPM seals (not of the root key) pass through ordinary
memory; on the bus to the TPM they are encrypted. How many stay is in the guide to key services.
Source: TCG TPM 2.0 Library, TPM2_Create with sensitive data, TPM2_Load, TPM2_Unseal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tpm2_pytss import ESAPI, TSS2_Exception
from tpm2_pytss.constants import ESYS_TR, TPM2_ALG, TPM2_RC, TPM2_SE, TPMA_OBJECT, TPMA_SESSION
from tpm2_pytss.types import (
    TPM2B_PRIVATE,
    TPM2B_PUBLIC,
    TPM2B_SENSITIVE_CREATE,
    TPMS_SENSITIVE_CREATE,
    TPMT_SYM_DEF,
    TPMU_SYM_KEY_BITS,
    TPMU_SYM_MODE,
)

from securemem import doors
from securemem.crypto._workspace import check_secret
from securemem.keystore.kek._service import AWAY, REFUSED, WRONG, ServiceKey

if TYPE_CHECKING:
    from securemem._types import Scope
    from securemem.secure_bytes import SecureBytes

__all__ = ["Tpm"]

_PARENT = "ecc256:aes128cfb"  # made of the owner's seed: the same each time, until the TPM is cleared
_WRONG = frozenset({TPM2_RC.AUTH_FAIL, TPM2_RC.BAD_AUTH, TPM2_RC.INTEGRITY, TPM2_RC.SIZE, TPM2_RC.INSUFFICIENT})
_BUSY = frozenset({TPM2_RC.RETRY, TPM2_RC.YIELDED, TPM2_RC.TESTING})
_NOT_THE_TPM = 0x10000  # codes from here on are of the layers that lead to it


class Tpm(ServiceKey):
    """Objects sealed by a TPM, one for each wrapping; the TPM itself keeps nothing of them.

    tcti: how the TPM is reached, such as "device:/dev/tpmrm0" (the kernel's resource manager).
    pin: what the TPM asks for before it unseals, at most 32 bytes; it counts wrong ones and locks itself up. None: each
        program that reaches the TPM can unseal. It must live as long as this object.
    attempts: how often the TPM is asked while it is busy.

    What was wrapped is lost with the TPM, and when its owner clears it: a store has another key-encryption key too.

    Raises InvalidArgumentError for no attempts, TypeError for a PIN that is no SecureBytes.
    """

    __slots__ = ("_pin", "_tcti")
    _MAGIC = b"skt\x01"
    _NAME = "the TPM"

    def __init__(self, tcti: str = "device:/dev/tpmrm0", *, pin: SecureBytes | None = None, attempts: int = 4) -> None:
        super().__init__(attempts)
        if pin is not None:
            check_secret(pin, "the PIN")
        self._tcti = tcti
        self._pin = pin

    def _seal(self, _scope: Scope, own: SecureBytes, _context: bytes) -> bytes:
        with ESAPI(self._tcti) as tpm:
            parent, session = _parent_and_session(tpm)
            try:
                private, public = self._created(tpm, parent, session, own)
            finally:
                tpm.flush_context(session)
                tpm.flush_context(parent)
        marshalled = private.marshal()
        return len(marshalled).to_bytes(2, "big") + bytes(marshalled) + bytes(public.marshal())

    def _created(self, tpm: ESAPI, parent: ESYS_TR, session: ESYS_TR, own: SecureBytes) -> tuple[Any, Any]:
        template = TPM2B_PUBLIC.parse("keyedhash", objectAttributes=_attributes())

        def create(data: bytes, pin: bytes) -> tuple[Any, Any]:
            sensitive = TPM2B_SENSITIVE_CREATE(TPMS_SENSITIVE_CREATE(userAuth=pin, data=data))
            private, public, *_ = tpm.create(parent, sensitive, template, session1=session)
            return private, public

        if self._pin is None:
            return doors.with_bytes(own, lambda data: create(data, b""))
        pin = self._pin
        return doors.with_bytes(own, lambda data: doors.with_bytes(pin, lambda text: create(data, text)))

    def _unseal(self, scope: Scope, sealed: bytes, _context: bytes, own: SecureBytes) -> None:
        end = 2 + int.from_bytes(sealed[:2], "big")
        with ESAPI(self._tcti) as tpm:
            parent, session = _parent_and_session(tpm)
            try:
                private, _ = TPM2B_PRIVATE.unmarshal(sealed[2:end])
                public, _ = TPM2B_PUBLIC.unmarshal(sealed[end:])
                found = tpm.load(parent, private, public, session1=session)
                try:
                    if self._pin is not None:
                        doors.with_bytes(self._pin, lambda text: tpm.tr_set_auth(found, text))
                    scope.receive(scope.write(own, "the key"), lambda: bytes(tpm.unseal(found, session1=session)))
                finally:
                    tpm.flush_context(found)
            finally:
                tpm.flush_context(session)
                tpm.flush_context(parent)

    def _judged(self, error: Exception) -> str | None:
        if not isinstance(error, TSS2_Exception):
            return None
        if error.rc >= _NOT_THE_TPM or error.rc in _BUSY:
            return AWAY
        return WRONG if error.error in _WRONG else REFUSED

    def __repr__(self) -> str:
        """Tell how the TPM is reached, and whether there is a PIN."""
        return f"<Tpm: {self._tcti}{'' if self._pin is None else ', by PIN'}>"


def _attributes() -> TPMA_OBJECT:
    """Of a sealed object: it stays in this TPM, and a wrong PIN counts towards the lockout."""
    return TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.USERWITHAUTH


def _parent_and_session(tpm: ESAPI) -> tuple[ESYS_TR, ESYS_TR]:
    """The key under which objects are sealed, and a session that encrypts what passes between us and the TPM."""
    parent, *_ = tpm.create_primary(None, _PARENT)
    session = tpm.start_auth_session(
        tpm_key=parent,
        bind=ESYS_TR.NONE,
        session_type=TPM2_SE.HMAC,
        symmetric=TPMT_SYM_DEF(
            algorithm=TPM2_ALG.AES, keyBits=TPMU_SYM_KEY_BITS(aes=128), mode=TPMU_SYM_MODE(aes=TPM2_ALG.CFB)
        ),
        auth_hash=TPM2_ALG.SHA256,
    )
    tpm.trsess_set_attributes(session, TPMA_SESSION.DECRYPT | TPMA_SESSION.ENCRYPT | TPMA_SESSION.CONTINUESESSION)
    return parent, session
