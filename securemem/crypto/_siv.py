"""AES-SIV under a nonce (RFC 5297, section 3), with the calls that cryptography's other AEADs have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESSIV

if TYPE_CHECKING:
    from typing import Any  # cryptography declares bytes, and takes every buffer

__all__ = ["Siv"]


class Siv:
    """AES-SIV: the associated data and the nonce are its two components, the nonce last."""

    __slots__ = ("_cipher",)

    def __init__(self, key: Any) -> None:
        self._cipher = AESSIV(key)

    def encrypt_into(self, nonce: bytes, data: Any, aad: Any, out: Any) -> None:
        """The synthetic nonce, which is the tag, and the ciphertext."""
        self._cipher.encrypt_into(data, [aad, nonce], out)

    def decrypt_into(self, nonce: bytes, data: Any, aad: Any, out: Any) -> None:
        """InvalidTag where that is not authentic."""
        self._cipher.decrypt_into(data, [aad, nonce], out)
