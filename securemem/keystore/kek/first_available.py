"""Several key-encryption keys in order: the first whose service answers opens the store."""

from __future__ import annotations

from securemem.exceptions import DecryptionError, InvalidArgumentError, KeyServiceError
from securemem.keystore._header import not_decrypted
from securemem.keystore.kek._checks import check_kek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from securemem.keystore.kek import KeyEncryptionKey
    from securemem.secure_bytes import SecureBytes

__all__ = ["FirstAvailable"]


class FirstAvailable:
    """Key-encryption keys of one store, in the order in which they are tried.

    Each must have been added to the store by itself (`add_kek`). To unwrap, the next one is asked where a service is
    away or did not wrap this; to wrap, the first one alone is asked, since a fallback would hide that it did not.

    keks: one or more.

    Raises InvalidArgumentError for none, TypeError for what is no key-encryption key.
    """

    __slots__ = ("_keks",)

    def __init__(self, *keks: KeyEncryptionKey) -> None:
        if not keks:
            raise InvalidArgumentError("give one or more key-encryption keys, in the order in which they are tried")
        for kek in keks:
            check_kek(kek)
        self._keks = keks

    def wrap(self, key: SecureBytes, context: bytes) -> bytes:
        """Encrypt a key by the first key-encryption key. Raises what that raises."""
        return self._keks[0].wrap(key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> SecureBytes:
        """Decrypt what one of them wrapped.

        Raises DecryptionError where none of them did, and KeyServiceError where one was away and no other did.
        """
        return self.unwrap_any((wrapped,), context)

    def unwrap_any(self, wrapped: Sequence[bytes], context: bytes) -> SecureBytes:
        """Decrypt the first that one of them wrapped. Raises what unwrap() raises."""
        away = []
        for kek in self._keks:
            try:
                if (any_of := getattr(kek, "unwrap_any", None)) is not None:
                    found: SecureBytes = any_of(wrapped, context)
                    return found
                for one in wrapped:
                    try:
                        return kek.unwrap(one, context)
                    except DecryptionError:
                        continue
            except DecryptionError:
                continue
            except KeyServiceError as error:
                away.append(str(error))
        if away:
            raise KeyServiceError("; ".join(away))
        raise not_decrypted()

    def __repr__(self) -> str:
        """Tell them in their order."""
        return f"<FirstAvailable: {', '.join(repr(kek) for kek in self._keks)}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a FirstAvailable cannot be pickled or copied: make another one")
