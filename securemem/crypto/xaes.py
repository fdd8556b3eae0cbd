"""XAES-256-GCM: AES-256-GCM under a key derived from a 192-bit nonce, so that nonces may be random without a limit.

Sources: C2SP, https://c2sp.org/XAES-256-GCM; the commitment to the key is that of P. Kampanakis, S. Halevi, N. Ebeid
and M. Campagna, "Blockcipher-Based Key Commitment for Nonce-Derived Schemes", https://eprint.iacr.org/2025/758:
CMAC(K, "XCMT" || N || 0x00010001) || CMAC(K, "XCMT" || N || 0x00010002), after the tag.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

from securemem.binding import pin, wipe, xaes_inputs
from securemem.crypto.workspace import scratch

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["KCXAES256GCM", "XAES256GCM"]

# The scratch: two blocks, four to encrypt, the four that come out. The cipher asks for room of 15 bytes more than
# it writes; after the first it takes that from blocks that are written later.
_STATE, _INPUTS, _OUTPUTS, _END = 0, 32, 96, 96 + 64 + 15
_SUBKEY = slice(_OUTPUTS, _OUTPUTS + 32)
_AFTER_SUBKEY = _OUTPUTS + 32
_ECB = ECB()  # noqa: S305 - single blocks, as CMAC is made of
_ZERO_BLOCK = bytes(16)


def _derive(key: memoryview, nonce: bytes) -> memoryview:
    """The subkey and the commitment, in locked scratch that lives as long as the view does."""
    view = memoryview(scratch(_END).reveal(writable=True))
    encryptor = Cipher(AES256(key), _ECB).encryptor()
    encryptor.update_into(_ZERO_BLOCK + b"XCMT" + nonce[:12], view[:47])
    xaes_inputs(pin(view), _INPUTS, _STATE, nonce)
    encryptor.update_into(view[_INPUTS:_OUTPUTS], view[_OUTPUTS:])
    return view


class XAES256GCM:
    """XAES-256-GCM, shaped like cryptography's ciphers; built for one operation, as it reads the key in place.

    key: 32 bytes. Nonces are 24 bytes. Subkeys live in locked scratch, which is wiped at the end of each call.
    """

    __slots__ = ("_key",)
    commitment = 0  # bytes after the tag

    def __init__(self, key: memoryview) -> None:
        self._key = key

    def _committed(self, derived: memoryview) -> memoryview:
        return derived[_AFTER_SUBKEY : _AFTER_SUBKEY + self.commitment]

    def encrypt(self, nonce: bytes, data: Buffer, aad: Buffer) -> bytes:
        """Ciphertext, 16-byte tag and commitment."""
        derived = _derive(self._key, nonce)
        try:
            sealed = AESGCM(derived[_SUBKEY]).encrypt(nonce[12:], memoryview(data), memoryview(aad))
            return b"".join((sealed, self._committed(derived)))
        finally:
            wipe(derived)

    def encrypt_into(self, nonce: bytes, data: Buffer, aad: Buffer, out: memoryview) -> None:
        """The same, into a buffer of exactly that size."""
        derived = _derive(self._key, nonce)
        end = len(out) - self.commitment
        try:
            AESGCM(derived[_SUBKEY]).encrypt_into(nonce[12:], memoryview(data), memoryview(aad), out[:end])
            out[end:] = self._committed(derived)
        finally:
            wipe(derived)

    def decrypt_into(self, nonce: bytes, sealed: memoryview, aad: Buffer, out: memoryview) -> None:
        """The plaintext, into a buffer of exactly its size; cryptography's InvalidTag if it is not authentic.

        The commitment is checked first, before anything is decrypted.
        """
        derived = _derive(self._key, nonce)
        end = len(sealed) - self.commitment
        try:
            if not hmac.compare_digest(self._committed(derived), sealed[end:]):
                raise InvalidTag
            AESGCM(derived[_SUBKEY]).decrypt_into(nonce[12:], sealed[:end], memoryview(aad), out)
        finally:
            wipe(derived)


class KCXAES256GCM(XAES256GCM):
    """XAES-256-GCM with the 32-byte commitment to the key: a ciphertext opens under one key only."""

    __slots__ = ()
    commitment = 32
