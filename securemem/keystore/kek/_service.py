"""What the key-encryption keys of services and devices share: one form of what they write, and how they are asked.

Each wrapping makes a random key of 32 bytes. The service seals that one, and KC-XAES-256-GCM encrypts the caller's key
under it, so that the context is bound and the key committed to, whatever the service itself can do. Wrapped, that is:
magic of the kind (4 bytes) ‖ length of what the service made (2 bytes, big-endian) ‖ that ‖ the ciphertext, whose
associated data is magic ‖ context.
"""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from typing import TYPE_CHECKING

from securemem._binding.gates import apply
from securemem._binding.operations import operate
from securemem.crypto.aead import Key
from securemem.exceptions import InvalidArgumentError, KeyServiceError
from securemem.keystore._header import not_decrypted
from securemem.secure_bytes import SecureBytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar, NoReturn, TypeVar

    from securemem._types import Scope

    _Result = TypeVar("_Result")

__all__ = ["AWAY", "REFUSED", "WRONG", "ServiceKey"]

_SIZE = 32
_START = 6  # of what the service made
AWAY, REFUSED, WRONG = "is away", "refuses", "did not make this"  # what an answer of a service means


class ServiceKey:
    """A key-encryption key that a service or a device keeps. Subclasses let 32 bytes be sealed and unsealed there."""

    __slots__ = ("_attempts",)
    _MAGIC: ClassVar[bytes]
    _NAME: ClassVar[str]  # of the service, in messages

    def __init__(self, attempts: int) -> None:
        if not isinstance(attempts, int) or attempts < 1:
            raise InvalidArgumentError("attempts is how often the service is asked: 1 or more")
        self._attempts = attempts

    def wrap(self, key: SecureBytes, context: bytes) -> bytes:
        """Encrypt a key under one that the service seals; the key is left as it is.

        Raises KeyServiceError where the service is away or refuses.
        """
        return operate(0, self._wrap, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> SecureBytes:
        """Decrypt what wrap() gave.

        Raises DecryptionError for another service, key or context, or what was changed; KeyServiceError as wrap().
        """
        return operate(0, self._unwrap, wrapped, context)

    def _wrap(self, scope: Scope, key: SecureBytes, context: bytes) -> bytes:
        own = SecureBytes.random(_SIZE)
        scope.at_end((apply, (own,)))  # frames of the service's client, which a traceback keeps, may hold it too
        sealed = self._asked(lambda: self._seal(scope, own, context), REFUSED)
        return self._head(sealed) + Key(own).encrypt(key, self._MAGIC + context)

    def _unwrap(self, scope: Scope, wrapped: bytes, context: bytes) -> SecureBytes:
        sealed, ciphertext = self._parts(wrapped)
        own = SecureBytes.zeros(_SIZE)
        scope.at_end((apply, (own,)))
        self._asked(lambda: self._unseal(scope, sealed, context, own), WRONG)
        return Key(own).decrypt(ciphertext, self._MAGIC + context)

    def _head(self, sealed: bytes) -> bytes:
        """What stands before the ciphertext."""
        return self._MAGIC + len(sealed).to_bytes(2, "big") + sealed

    def _parts(self, wrapped: bytes) -> tuple[bytes, bytes]:
        """What the service made, and the ciphertext."""
        end = _START + int.from_bytes(wrapped[4:_START], "big")
        if not wrapped.startswith(self._MAGIC) or len(wrapped) < end:
            raise not_decrypted()
        return wrapped[_START:end], wrapped[end:]

    def _asked(self, call: Callable[[], _Result], wrong: str) -> _Result:
        """What a call to the service gives, asked again where it is away; wrong: what WRONG means for this call.

        Its own exceptions are not chained: their tracebacks hold requests and answers with keys in clear.
        """
        verdict, told = AWAY, ""
        for attempt in range(self._attempts):
            if attempt:
                time.sleep(0.1 * 2 ** (attempt - 1) * random.uniform(0.5, 1))  # noqa: S311 - so that clients spread
            try:
                return call()
            except Exception as error:
                judged = self._judged(error)
                if judged is None:
                    raise
                verdict, told = judged, type(error).__name__
            if verdict != AWAY:
                break
        verdict = wrong if verdict == WRONG else verdict
        if verdict == WRONG:
            raise not_decrypted()
        tried = f" after {self._attempts} attempts" if verdict == AWAY else ""
        raise KeyServiceError(f"{self._NAME} {verdict}{tried} ({told}): nothing was changed")

    @abstractmethod
    def _seal(self, scope: Scope, own: SecureBytes, context: bytes, /) -> bytes:
        """What the service makes of 32 bytes."""

    @abstractmethod
    def _unseal(self, scope: Scope, sealed: bytes, context: bytes, own: SecureBytes, /) -> None:
        """Write to own the 32 bytes that the service made this of."""

    @abstractmethod
    def _judged(self, error: Exception) -> str | None:
        """Whether the service is AWAY, has REFUSED, or did not make what was to be unsealed (WRONG); None: else."""

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError(f"a {type(self).__name__} cannot be pickled or copied: make another one")
