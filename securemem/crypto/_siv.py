"""AES-SIV under a nonce (RFC 5297, section 3), with the calls that cryptography's other AEADs have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESSIV

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Siv"]


class Siv:
    """AES-SIV: the associated data and the nonce are its two components, the nonce last."""

    __slots__ = ("_cipher",)

    def __init__(self, key: Buffer) -> None:
        self._cipher = AESSIV(key)  # type: ignore[arg-type]  # any buffer will do

    def encrypt_into(self, nonce: bytes, data: Buffer, aad: Buffer, out: Buffer) -> None:
        """The synthetic nonce, which is the tag, and the ciphertext."""
        self._cipher.encrypt_into(data, [aad, nonce], out)  # type: ignore[arg-type, list-item]  # the same

    def decrypt_into(self, nonce: bytes, data: Buffer, aad: Buffer, out: Buffer) -> None:
        """InvalidTag where that is not authentic."""
        self._cipher.decrypt_into(data, [aad, nonce], out)  # type: ignore[arg-type, list-item]  # the same
