"""XAES-256-GCM: AES-256-GCM under a key derived from a 192-bit nonce, so that nonces may be random without a limit.

Sources: C2SP, https://c2sp.org/XAES-256-GCM; the commitment to the key is that of P. Kampanakis, S. Halevi, N. Ebeid
and M. Campagna, "Blockcipher-Based Key Commitment for Nonce-Derived Schemes", https://eprint.iacr.org/2025/758:
CMAC(K, "XCMT" || N || 0x00010001) || CMAC(K, "XCMT" || N || 0x00010002), after the tag.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB

from securemem._binding.memory import pin, wipe_in_place, xaes_inputs
from securemem.crypto._workspace import scratch

if TYPE_CHECKING:
    from typing import Any

__all__ = ["KCXAES256GCM", "XAES256GCM", "KeptXAES256GCM"]

# The scratch, as core/blocks.h has it, then subkey and commitment. The cipher asks for room of 15 bytes more than it
# writes: at first that is where later blocks go.
_INPUTS, _OUTPUTS, _END = 32, 96, 96 + 64 + 15
_FIRST, _SECOND, _REST = slice(0, 32 + 15), slice(_INPUTS, _OUTPUTS), slice(_OUTPUTS, _END)
_SUBKEY = slice(_OUTPUTS, _OUTPUTS + 32)
_COMMITMENT = _OUTPUTS + 32
_STATE = bytes(16) + b"XCMT"  # before the first half of the nonce
_ECB = ECB()  # noqa: S305 - single blocks, as CMAC is made of


class _Blocks(Cipher[ECB]):
    """AES-256, block by block. Checks of sizes and modes, known here to be right, would take longer than the AES."""

    def __init__(self, key: memoryview) -> None:
        self.algorithm = algorithm = AES256.__new__(AES256)
        algorithm.key = key
        self.mode = _ECB


class XAES256GCM:
    """XAES-256-GCM, shaped like cryptography's ciphers; built for one operation, as it reads the key in place.

    key: 32 bytes. Nonces are 24 bytes. Subkeys live in locked scratch, which is wiped at the end of each call.
    """

    __slots__ = ("_key",)
    commitment: int = 0  # bytes after the tag

    def __init__(self, key: memoryview) -> None:
        self._key = key

    def _derived(self, nonce: bytes) -> tuple[memoryview, memoryview, Any]:
        """Subkey and commitment, in locked scratch that lives as long as its views do, and its address."""
        view = memoryview(scratch(_END).reveal(writable=True))
        address = pin(view)
        encryptor: Any = _Blocks(self._key).encryptor()
        try:
            encryptor.update_into(_STATE + nonce[:12], view[_FIRST])
            xaes_inputs(address, nonce)
            encryptor.update_into(view[_SECOND], view[_REST])
        finally:
            encryptor = None  # a traceback that is kept is not to keep the key
        return view[_SUBKEY], view[_COMMITMENT : _COMMITMENT + self.commitment], address

    def _clear(self, address: Any) -> None:
        wipe_in_place(address, _END)

    def encrypt(self, nonce: bytes, data: memoryview, aad: bytes | memoryview) -> bytes:
        """Ciphertext, 16-byte tag and commitment."""
        subkey, commitment, address = self._derived(nonce)
        try:
            sealed = AESGCM(subkey).encrypt(nonce[12:], data, aad)
            return sealed + commitment
        finally:
            self._clear(address)

    def encrypt_into(self, nonce: bytes, data: memoryview, aad: bytes | memoryview, out: memoryview) -> None:
        """The same, into a buffer of exactly that size."""
        subkey, commitment, address = self._derived(nonce)
        end = len(out) - self.commitment
        try:
            AESGCM(subkey).encrypt_into(nonce[12:], data, aad, out[:end])
            out[end:] = commitment
        finally:
            self._clear(address)

    def decrypt_into(self, nonce: bytes, sealed: memoryview, aad: bytes | memoryview, out: memoryview) -> None:
        """The plaintext, into a buffer of exactly its size; cryptography's InvalidTag if it is not authentic.

        The commitment is checked first, before anything is decrypted.
        """
        subkey, commitment, address = self._derived(nonce)
        end = len(sealed) - self.commitment
        try:
            if not hmac.compare_digest(commitment, sealed[end:]):
                raise InvalidTag
            AESGCM(subkey).decrypt_into(nonce[12:], sealed[:end], aad, out)
        finally:
            self._clear(address)


class KCXAES256GCM(XAES256GCM):
    """XAES-256-GCM with the 32-byte commitment to the key: a ciphertext opens under one key only."""

    __slots__ = ()
    commitment = 32


class KeptXAES256GCM(XAES256GCM):
    """XAES-256-GCM for many messages: cryptography keeps the expanded key, and the scratch is kept here.

    commitment: 32 bytes of it, or 0. What comes while another thread is at work goes the way of a single message, for
    which the key is read in place.
    """

    __slots__ = ("_address", "_encryptor", "_first", "_results", "_second", "_turn", "commitment")

    def __init__(self, key: memoryview, commitment: int) -> None:
        super().__init__(key)
        self.commitment = commitment
        view = memoryview(scratch(_END).reveal(writable=True))
        self._address = pin(view)
        self._first = view[_FIRST]
        self._second = view[_SECOND], view[_REST]
        self._results = view[_SUBKEY], view[_COMMITMENT : _COMMITMENT + commitment], self._address
        self._encryptor: Any = _Blocks(key).encryptor()
        self._turn = Lock()

    def close(self) -> None:
        """Drop the expanded key, and the view of the key, whoever holds this object still."""
        self._encryptor = None
        with suppress(BufferError):  # another thread is at work
            self._key.release()

    def _derived(self, nonce: bytes) -> tuple[memoryview, memoryview, Any]:
        if not self._turn.acquire(blocking=False):
            return super()._derived(nonce)
        try:
            update_into = self._encryptor.update_into
            update_into(_STATE + nonce[:12], self._first)
            xaes_inputs(self._address, nonce)
            update_into(*self._second)
        except BaseException:
            update_into = None  # a traceback that is kept is not to keep the key
            self._turn.release()
            raise
        return self._results

    def _clear(self, address: Any) -> None:
        wipe_in_place(address, _END)
        if address is self._address:
            self._turn.release()
